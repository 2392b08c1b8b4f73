"""Two algorithms that compute images from kept coefficients only, and the choice between them.

`SeparableSynthesis` scatters coefficients into the smallest box of frequencies that contains the masks and computes one
matrix product per axis. `BasisSynthesis` scatters them into the union of the masks and computes one product with the
basis images of those frequencies. Both consist of torch operations, are differentiable any number of times, and do not
synchronise with the device.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.precision import is_plain

Matrix = NDArray[np.float64]

TOUCH = 25.0
"""The number of multiplications of a large matrix product that take as long as writing and reading a float,
measured."""


class Synthesis(Protocol):
    """Computes images (B, C, *size) from coefficients (B, C, K) and masks (B,) on its device."""

    work: float
    """Estimated time per image and channel, in multiplications of a large matrix product."""
    scratch: int
    """Floats of intermediate results per image and channel."""

    def __call__(self, coefficients: Tensor, masks: Tensor, out: Tensor | None = None) -> Tensor: ...


def synthesise(spectra: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """(B, C, *size) images of all coefficients (B, C, *spatial), with one (size, length) synthesis matrix per axis.

    The transposed matrices of an orthonormal transform give coefficients from images.
    """
    for axis, matrix in enumerate(matrices, start=2):
        spectra = (spectra.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    return spectra


class SeparableSynthesis:
    """Separable: one product per axis over the box of rows and columns that any of the masks uses."""

    PENALTY = 1.7
    """How many times slower a batch of small products is than one large product (docs/decisions/decoder.md)."""

    def __init__(
        self,
        frequencies: NDArray[np.integer],
        spatial_shape: tuple[int, ...],
        matrices: Sequence[Matrix],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        places = np.stack(np.unravel_index(frequencies.astype(np.int64), spatial_shape))
        self.used = [np.unique(place) for place in places]
        box = tuple(map(len, self.used))
        inside = [np.searchsorted(used, place) for used, place in zip(self.used, places, strict=True)]
        self.box = box
        self.size = tuple(len(matrix) for matrix in matrices)
        self.index = _tensor(np.ravel_multi_index(inside, box), device)
        factors = [matrix[:, used] for matrix, used in zip(matrices, self.used, strict=True)]
        self.factors = [_tensor(factor, device, dtype) for factor in factors]
        orders = itertools.permutations(range(len(box)))
        self.order = min(orders, key=lambda order: sum(self._stages(order)))
        self.scratch = 2 * math.prod(box) + sum(self._lengths(self.order)[:-1])
        self.work = self.PENALTY * sum(self._stages(self.order)) + TOUCH * (self.scratch + math.prod(self.size))

    def _lengths(self, order: tuple[int, ...]) -> list[int]:
        """Floats of an image after each stage."""
        lengths, shape = [], list(self.box)
        for axis in order:
            shape[axis] = self.size[axis]
            lengths.append(math.prod(shape))
        return lengths

    def _stages(self, order: tuple[int, ...]) -> list[int]:
        """Multiplications of each stage."""
        return [length * self.box[axis] for length, axis in zip(self._lengths(order), order, strict=True)]

    def __call__(self, coefficients: Tensor, masks: Tensor, out: Tensor | None = None) -> Tensor:
        images = _scattered(coefficients, self.index, masks, math.prod(self.box))
        shape = [len(coefficients) * coefficients.shape[1], *self.box]
        for axis in self.order:
            factor = self.factors[axis]
            target = out if axis == self.order[-1] else None
            if axis == len(self.box) - 1:
                last = None if target is None else target.view(-1, self.size[axis])
                images = torch.mm(images.reshape(-1, self.box[axis]), factor.T, out=last)
            else:
                before = math.prod(shape[: axis + 1])
                stacked = images.reshape(before, shape[axis + 1], -1)
                last = None if target is None else target.view(before, self.size[axis], -1)
                images = torch.bmm(factor.expand(before, -1, -1), stacked, out=last)
            shape[axis + 1] = self.size[axis]
        return images.view(*coefficients.shape[:2], *self.size) if out is None else out


class BasisSynthesis:
    """One product with the basis images of the frequencies that any of the masks keeps."""

    LARGEST = 1 << 24
    """The largest number of floats of basis images for which this algorithm is used."""

    def __init__(
        self,
        frequencies: NDArray[np.integer],
        spatial_shape: tuple[int, ...],
        matrices: Sequence[Matrix],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.one_mask = len(frequencies) == 1
        union, index = np.unique(frequencies, return_inverse=True)
        if self.one_mask:
            union, index = frequencies[0], np.arange(len(union))
        self.index = _tensor(index.reshape(frequencies.shape), device)
        self.size = tuple(len(matrix) for matrix in matrices)
        self.scratch = len(union)
        self.work = self.estimate(frequencies, matrices)
        self.basis = _tensor(_basis_images(union, spatial_shape, matrices), device, dtype)

    @classmethod
    def floats(cls, frequencies: NDArray[np.integer], matrices: Sequence[Matrix]) -> int:
        """Floats of the basis images."""
        return len(np.unique(frequencies)) * math.prod(map(len, matrices))

    @classmethod
    def estimate(cls, frequencies: NDArray[np.integer], matrices: Sequence[Matrix]) -> float:
        """`work`, without computing basis images."""
        floats = cls.floats(frequencies, matrices)
        size = math.prod(map(len, matrices))
        return floats + TOUCH * (floats // size + size)

    def __call__(self, coefficients: Tensor, masks: Tensor, out: Tensor | None = None) -> Tensor:
        if not self.one_mask:
            coefficients = _scattered(coefficients, self.index, masks, len(self.basis))
        rows = coefficients.reshape(-1, len(self.basis))
        images = torch.mm(rows, self.basis, out=None if out is None else out.view(len(rows), -1))
        return images.view(*coefficients.shape[:2], *self.size) if out is None else out


def fastest(
    frequencies: NDArray[np.integer],
    spatial_shape: tuple[int, ...],
    matrices: Sequence[Matrix],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Synthesis:
    """The algorithm with the least estimated work for these masks (M, K) and (size, n) synthesis matrices."""
    separable = SeparableSynthesis(frequencies, spatial_shape, matrices, device=device, dtype=dtype)
    too_large = BasisSynthesis.floats(frequencies, matrices) > BasisSynthesis.LARGEST
    if too_large or BasisSynthesis.estimate(frequencies, matrices) > separable.work:
        return separable
    return BasisSynthesis(frequencies, spatial_shape, matrices, device=device, dtype=dtype)


def _scattered(coefficients: Tensor, index: Tensor, masks: Tensor, length: int) -> Tensor:
    """(B, C, length): each instance's coefficients at the positions of its mask, zeros elsewhere."""
    batch, channels, k = coefficients.shape
    places = index.expand(batch, -1) if len(index) == 1 else index.index_select(0, masks)
    zeros = coefficients.new_zeros(batch, channels, length)
    scatter = zeros.scatter_ if is_plain(coefficients) else zeros.scatter
    return scatter(2, places[:, None].expand(batch, channels, k), coefficients)


def _basis_images(
    frequencies: NDArray[np.integer], spatial_shape: tuple[int, ...], matrices: Sequence[Matrix]
) -> Matrix:
    """(frequency, position) images of single frequencies."""
    images = np.ones((len(frequencies), 1))
    for matrix, place in zip(matrices, np.unravel_index(frequencies.astype(np.int64), spatial_shape), strict=True):
        images = (images[:, :, None] * matrix[:, place].T[:, None]).reshape(len(frequencies), -1)
    return images


def _tensor(array: NDArray[np.generic], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array), device=device, dtype=dtype)
