"""Lazy views of images: selected or converted rows, computed when they are accessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.model.parts import Normalization

RowIndex: TypeAlias = slice | NDArray[np.integer[Any]]

PLAUSIBLE = (-0.3, 1.3)
"""The range accepted for images in 0..1: decoded images exceed 0..1 a little."""

_BLOCK_BYTES = 16 << 20


class Images(Protocol):
    """(N, C, *spatial) images, uint8 or float in 0..1, with access to rows by slice or integer array."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: RowIndex, /) -> NDArray[Any]: ...


class Selected:
    """Some of other images, in the order of ``indices``; nothing is copied before rows are accessed."""

    def __init__(self, images: Images, indices: NDArray[np.integer[Any]]) -> None:
        self._images: Images = images._images if isinstance(images, Selected) else images
        self._indices: NDArray[np.integer[Any]] = images._indices[indices] if isinstance(images, Selected) else indices

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, *spatial)."""
        return (len(self._indices), *self._images.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the other images."""
        return self._images.dtype

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, rows: RowIndex, /) -> NDArray[Any]:
        return self._images[self._indices[rows]]


class View:
    """Float32 images that are computed from other images of the same number and shape when rows are accessed."""

    dtype = np.dtype(np.float32)

    def __init__(self, images: Images) -> None:
        self._images = images

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, *spatial)."""
        return self._images.shape

    def __len__(self) -> int:
        return len(self._images)


class Normalized(View):
    """Images in the space of a normalisation, ``(x - mean) / std`` of their values in 0..1."""

    def __init__(self, images: Images, normalization: Normalization) -> None:
        super().__init__(images)
        mean, std = normalization.moments(len(images.shape) - 2)
        self._scale = (1 / (unit(images.dtype) * std)).astype(np.float32)
        self._offset = (-mean / std).astype(np.float32)

    def __getitem__(self, rows: RowIndex, /) -> NDArray[np.float32]:
        images: NDArray[np.float32] = np.multiply(self._images[rows], self._scale, dtype=np.float32)
        images += self._offset
        return images


def unit(dtype: np.dtype[Any]) -> int:
    """The stored value that means 1: 255 for uint8, 1 for floats."""
    return 255 if dtype == np.uint8 else 1


def blocks(images: Images) -> Iterator[NDArray[Any]]:
    """All rows of ``images`` in order, in blocks of a few megabytes."""
    row_bytes = int(np.prod(images.shape[1:])) * images.dtype.itemsize
    rows = max(1, _BLOCK_BYTES // row_bytes)
    for start in range(0, len(images), rows):
        yield images[start : min(start + rows, len(images))]


def check_normalization(normalization: Normalization, channels: int) -> None:
    """Raise `ArgumentError` for values that cannot be the mean and standard deviation of images in 0..1 with this
    number of channels.

    >>> check_normalization(Normalization((0.5,) * 3, (0.25,) * 3), 3)
    """
    mean, std = normalization.mean, normalization.std
    if len(mean) != channels:
        raise ArgumentError(
            "the normalization must have one value per channel",
            expected=f"{channels} values",
            found=len(mean),
            hint="Images are (N, C, *spatial): channels are before height and width",
        )
    if min(mean) < 0 or max(mean) > 1 or max(std) > 1:
        raise ArgumentError(
            "the normalization is not that of images in 0..1",
            expected="a mean of 0 to 1 and a standard deviation of at most 1",
            found=f"mean {list(mean)}, std {list(std)}",
            hint="If they are for 8-bit values, divide both by 255",
        )


def channel_normalization(images: Images) -> Normalization:
    """Mean and standard deviation of each channel in 0..1, to four digits; the deviation of a constant channel is set
    to 1."""
    count, total, square = 0, np.zeros(images.shape[1]), np.zeros(images.shape[1])
    for block in blocks(images):
        channels = np.moveaxis(block, 1, 0).reshape(images.shape[1], -1).astype(np.float32)
        channels /= unit(images.dtype)
        count += channels.shape[1]
        total += channels.sum(axis=1, dtype=np.float64)
        square += np.einsum("cn,cn->c", channels, channels, dtype=np.float64)
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, 0))
    std[std < 1e-6] = 1
    return Normalization(tuple(map(_rounded, mean)), tuple(map(_rounded, std)))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
