"""Spectra of images, computed block by block in bounded memory, and statistics of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks import ClassStatistics
from fredfmt.errors import ArgumentError
from fredfmt.model.blocks import blocks
from fredfmt.transforms import analyse, live_frequencies, spatial_size

BLOCK_BYTES = 2 << 20


class Rows(Protocol):
    """Anything with a shape and rows that can be read by slice: a NumPy array, a memory map, a torch tensor, a view."""

    @property
    def shape(self) -> Sequence[int]: ...
    def __getitem__(self, rows: slice, /) -> Any: ...


def row_blocks(rows: Rows) -> Iterator[slice]:
    """Slices that divide ``rows``, with elements of up to 8 bytes, into small blocks."""
    return blocks(rows.shape[0], 8 * math.prod(rows.shape[1:]))


class Spectra:
    """Iterates over the spectra of images in blocks, any number of times.

    Yields the slice of the instances, their spectra (instance, channel, frequency) float32, and their energies
    (instance,) outside the range of the transform.
    """

    def __init__(
        self, images: Rows, shape: tuple[int, ...], transform: str, channel_transform: str | None = None
    ) -> None:
        self.images, self.shape, self.transform = images, shape, transform
        self.channel_transform = channel_transform
        self.bijective = bool(live_frequencies(transform, shape[2:]).all())
        self.low, self.high = np.inf, -np.inf
        """The smallest and the largest value of the images so far."""
        self.rows = max(1, BLOCK_BYTES // (4 * spatial_size(shape[1:])))

    def __iter__(self) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float64]]]:
        for start in range(0, self.shape[0], self.rows):
            rows = slice(start, min(start + self.rows, self.shape[0]))
            block = as_numpy(self.images[rows])
            if block.dtype.kind != "f":
                raise ArgumentError(
                    "images are not floats",
                    expected="floats, as networks are trained on them",
                    found=block.dtype,
                    hint="Divide 8-bit images by 255; if you normalise them, pass normalization=(mean, std)",
                )
            block = block.astype(np.float32, copy=False)
            if not np.isfinite(block).all():
                raise ArgumentError("images contain NaN or infinity", where=f"images {rows.start} to {rows.stop - 1}")
            self.low, self.high = min(self.low, float(block.min())), max(self.high, float(block.max()))
            spectra = analyse(block, self.transform, len(self.shape) - 2)
            beyond = np.zeros(len(block)) if self.bijective else _energy(block) - _energy(spectra)
            spectra = spectra.reshape(*spectra.shape[:2], -1)
            if self.channel_transform is not None:
                spectra = analyse(spectra.swapaxes(1, 2), self.channel_transform, 1).swapaxes(1, 2)
            yield rows, np.ascontiguousarray(spectra, np.float32), beyond.clip(0)

    def statistics(self, classes_of: NDArray[Any], classes: int) -> ClassStatistics:
        """Moments of the spectra of each class; ``classes_of`` is the (instance,) class of each image."""
        statistics = ClassStatistics(classes, self.shape[1], spatial_size(self.shape[2:]))
        for rows, spectra, _ in self:
            statistics.update(spectra, classes_of[rows])
        return statistics


def mean_spectra(coefficients: Rows, groups: NDArray[Any], count: int) -> NDArray[np.float64]:
    """(group, channel, frequency): the mean of the coefficients (instance, channel, frequency) of each of ``count``
    groups, zero for an empty group; ``groups`` is the (instance,) group of each."""
    sums = np.zeros((count, *coefficients.shape[1:]))
    for rows in row_blocks(coefficients):
        block, of = coefficients[rows], groups[rows]
        for group in np.unique(of):
            sums[group] += block[of == group].sum(axis=0, dtype=np.float64)
    counts = np.bincount(groups, minlength=count).reshape(-1, *(1,) * (sums.ndim - 1))
    means: NDArray[np.float64] = sums / np.maximum(counts, 1)
    return means


def as_numpy(array: Any) -> NDArray[Any]:
    """A NumPy array from an array, a list, or a torch tensor on any device, without importing torch.

    Floating point types that NumPy lacks, such as bfloat16, are converted to float32. Raises `ArgumentError` for a list
    of lists of different lengths.
    """
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        try:
            return np.asarray(array)
        except TypeError:
            array = array.float()
    try:
        return np.asarray(array)
    except ValueError as error:
        raise ArgumentError("not an array of numbers", found=error) from None


def _energy(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) sums of squares of (N, ...) values."""
    energy: NDArray[np.float64] = np.square(values, dtype=np.float64).reshape(len(values), -1).sum(axis=1)
    return energy
