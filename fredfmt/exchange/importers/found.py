"""`Found`: what an importer recognised in a file, before the caller's facts complete it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError
from fredfmt.exchange.importers.facts import Asked, LabelKind, MissingFactError


@dataclass(frozen=True)
class Found:
    """Images, labels and whatever else the file itself says."""

    images: NDArray[Any]
    """(N, C, *spatial)."""
    labels: NDArray[Any] | None
    """(N,) integers or (N, class) floats; None where the file has none."""
    unit: bool = False
    """The images are known to be in 0..1."""
    whitened: bool | None = None
    """Whether they are ZCA-whitened; None where the kind of file can be both."""
    whitens_pixels: bool = False
    """Where projects of this kind whiten, they do it to pixels in 0..1 that were not normalised."""
    labels_are: LabelKind | None = None
    """What this kind's float labels are known to be."""
    lr: float | None = None
    lr_learned: bool = False
    """The data were made for a learning rate of their own."""
    mask: NDArray[Any] | None = None
    """FreD's mask, of the shape of the images."""
    mask_hint: str = "--transform identity leaves it aside"
    """What to do where it does not fit them."""
    classes: tuple[str, ...] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    """For the file's provenance."""
    asked: tuple[Asked, ...] = ()
    """Facts without which the images cannot be made; the images are a placeholder then."""

    def check_complete(self) -> None:
        """Raise `MissingFactError` for the facts that are missing."""
        if self.asked:
            raise MissingFactError(self.asked)


def is_images(value: Any, axes: tuple[int, ...] = (4,)) -> bool:
    """Whether a value is an array of floats or bytes with so many axes."""
    return isinstance(value, np.ndarray) and value.ndim in axes and (value.dtype.kind == "f" or value.dtype == np.uint8)


def is_labels(value: Any) -> bool:
    """Whether a value is an array of one or two axes."""
    return isinstance(value, np.ndarray) and value.ndim in (1, 2)


STORED = (3, 4, 5)
"""Axes of images in files: with 1, 2 or 3 spatial axes, or grey ones without an axis of channels."""


def channels_first(images: NDArray[Any], channels: str | None) -> NDArray[Any]:
    """(N, C, *spatial) from images whose channels are axis 1 or the last, whichever has length 1 or 3, or as given."""
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
            "which axis holds the channels is ambiguous",
            expected="either axis 1 or the last of length 1 or 3",
            found=images.shape,
            hint="Give --channels first, last, or none for grey images without such an axis",
        )
    return images if axis == 1 else np.ascontiguousarray(np.moveaxis(images, axis, 1))


def laid_out(images: NDArray[Any], channels: str | None) -> NDArray[Any]:
    """(N, C, *spatial) from images of projects that store the channels first; with 3 axes they may have none."""
    return channels_first(images, channels) if images.ndim == 3 or channels is not None else images


def as_number(value: Any) -> float | None:
    """A learning rate as files hold it: a number, or an array of one element."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise SourceError("not a learning rate", expected="one number", found=f"{array.dtype} {array.shape}")
    return float(np.asarray(array, np.float64).item())
