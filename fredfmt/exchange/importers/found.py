"""`Found`: the content that an importer recognised in a file, before the caller's facts complete it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError
from fredfmt.exchange.importers.facts import LabelKind, MissingFact, MissingFactError


@dataclass(frozen=True)
class Found:
    """Images, labels and other facts from the file itself."""

    images: NDArray[Any]
    """(N, C, *spatial)."""
    labels: NDArray[Any] | None
    """(N,) integers or (N, class) floats; None if the file has none."""
    unit: bool = False
    """Whether the images are known to be in 0..1."""
    whitened: bool | None = None
    """Whether they are ZCA-whitened; None if this kind of file can be either."""
    whitens_pixels: bool = False
    """Whether projects of this kind whiten pixels in 0..1, without normalising them before."""
    labels_are: LabelKind | None = None
    """The meaning of float labels in this kind of file, if known."""
    lr: float | None = None
    lr_learned: bool = False
    """Whether the data were distilled together with a learning rate."""
    mask: NDArray[Any] | None = None
    """FreD's mask, in the shape of the images."""
    mask_hint: str = "Use --transform identity to ignore it"
    """The hint of the error if the mask does not fit the images."""
    classes: tuple[str, ...] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Notes for the file's provenance."""
    missing: tuple[MissingFact, ...] = ()
    """Missing facts without which the images cannot be computed; the images are then a placeholder."""

    def check_complete(self) -> None:
        """Raise `MissingFactError` for the facts that are missing."""
        if self.missing:
            raise MissingFactError(self.missing)


def is_images(value: Any, axes: tuple[int, ...] = (4,)) -> bool:
    """Whether a value is an array of floats or bytes with one of these numbers of axes."""
    return isinstance(value, np.ndarray) and value.ndim in axes and (value.dtype.kind == "f" or value.dtype == np.uint8)


def is_labels(value: Any) -> bool:
    """Whether a value is an array of one or two axes."""
    return isinstance(value, np.ndarray) and value.ndim in (1, 2)


STORED = (3, 4, 5)
"""The numbers of axes of images in files: with 1 to 3 spatial axes, or grey ones without a channel axis."""


def channels_first(images: NDArray[Any], channels: str | None) -> NDArray[Any]:
    """(N, C, *spatial) from images whose channel axis is given, or is axis 1 or the last, whichever has length 1 or
    3."""
    if images.ndim < 3:
        raise SourceError("not images", expected="at least 3 axes", found=images.shape)
    if channels == "none":
        return images[:, None]
    candidates = [axis for axis in (1, images.ndim - 1) if images.shape[axis] in (1, 3)]
    if channels is not None:
        axis = 1 if channels == "first" else images.ndim - 1
    elif len(candidates) == 1:
        axis = candidates[0]
    else:
        raise SourceError(
            "the channel axis is ambiguous",
            expected="either axis 1 or the last of length 1 or 3",
            found=images.shape,
            hint="Give --channels first, last, or none for grey images without a channel axis",
        )
    return images if axis == 1 else np.ascontiguousarray(np.moveaxis(images, axis, 1))


def laid_out(images: NDArray[Any], channels: str | None) -> NDArray[Any]:
    """(N, C, *spatial) from images of projects that store the channels first; grey ones may have 3 axes."""
    return channels_first(images, channels) if images.ndim == 3 or channels is not None else images


def as_number(value: Any) -> float | None:
    """A learning rate from a number or an array of one element."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise SourceError("not a learning rate", expected="one number", found=f"{array.dtype} {array.shape}")
    return float(np.asarray(array, np.float64).item())
