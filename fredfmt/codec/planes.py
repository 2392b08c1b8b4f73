"""Computes images from coefficients on the CPU by compiled loops (`fredfmt.codec.kernels`).

Each image is computed from the frequencies of its own mask only, so a batch of different masks takes no longer. The
loops are for float32 images of one or two axes; `fredfmt.codec.synthesis` computes all others, and those on other
devices.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.kernels import Job, Kernel, Tables
from fredfmt.errors import ArgumentError

_ALIGNMENT = 64
"""Bytes of a cache line; a vector that crosses two lines costs two loads."""


class Planes:
    """Computes images of a fixed set of masks by compiled loops.

    Parameters
    ----------
    frequencies
        (mask, frequency) flat indices into ``spatial_shape``.
    spatial_shape
        One or two lengths.
    matrices
        One (size, length) synthesis matrix per axis.
    kernel
        The loops that compute the images.
    channels
        (image channel, channel) float32 matrix by which the channels of the coefficients are multiplied; None: none.
    """

    def __init__(
        self,
        frequencies: NDArray[np.integer],
        spatial_shape: Sequence[int],
        matrices: Sequence[NDArray[np.float64]],
        kernel: Kernel,
        channels: Tensor | None = None,
    ) -> None:
        self.kernel = kernel
        self._channels = channels
        rows_of, columns_of = matrices if len(matrices) == 2 else (np.ones((1, 1)), matrices[0])
        height, width = len(rows_of), len(columns_of)
        row, column = np.divmod(frequencies.astype(np.int64), spatial_shape[-1])
        used_columns, column = np.unique(column, return_inverse=True)
        column = column.reshape(row.shape)
        parity = _parity(rows_of)
        mirrored = height > 1 and bool((parity[row] != 0).all())
        ranks = np.lexsort((np.arange(rows_of.shape[1]), parity != 1)) if mirrored else np.arange(rows_of.shape[1])
        place = np.empty_like(ranks)
        place[ranks] = np.arange(len(ranks))
        order = np.argsort(place[row], axis=1, kind="stable")
        used = [np.unique(place[each]) for each in row]
        most = max(map(len, used))
        end = np.zeros((len(frequencies), most), np.int32)
        factors = np.zeros((len(frequencies), most, rounded_up(height, kernel.together)), np.float32)
        counts = np.zeros((len(frequencies), 2), np.int32)
        for mask, places in enumerate(used):
            sorted_places = place[row[mask]][order[mask]]
            end[mask, : len(places)] = np.searchsorted(sorted_places, places, side="right")
            factors[mask, : len(places), :height] = rows_of[:, ranks[places]].T
            counts[mask] = len(places), (parity[ranks[places]] == 1).sum() if mirrored else len(places)
        self._arrays = {
            "order": order.astype(np.int32),
            "column": np.ascontiguousarray(np.take_along_axis(column, order, 1), np.int32),
            "end": end,
            "used": counts,
            "factors": factors,
            "basis": _aligned(_blocks(columns_of[:, used_columns], kernel)),
        }
        numbers = (*frequencies.shape, most, height, width, factors.shape[2], len(used_columns), int(mirrored))
        self._tables = Tables(
            **dict(zip(Tables.NUMBERS, numbers, strict=True)),
            **{name: array.ctypes.data for name, array in self._arrays.items()},
        )
        self._scratch = most * kernel.columns + rounded_up(2 * frequencies.shape[1], _ALIGNMENT // 4)

    def __call__(self, coefficients: Tensor, masks: Tensor | int, out: Tensor) -> None:
        """Fill ``out`` (B, C, *size) from float32 coefficients (B, C, K) and masks (B,), or a single mask for all.

        Raises
        ------
        ArgumentError
            For a mask out of range; nothing is written.
        """
        coefficients = coefficients.contiguous()
        instances, channels, stride = coefficients.shape
        many = None if isinstance(masks, int) else masks.contiguous()
        threads = torch.get_num_threads()
        scratch = torch.empty(threads, self._scratch, dtype=torch.float32, device="cpu")
        job = Job(
            ctypes.pointer(self._tables),
            coefficients.data_ptr(),
            None if many is None else many.data_ptr(),
            None if self._channels is None else self._channels.data_ptr(),
            masks if isinstance(masks, int) else 0,
            *(instances, channels, stride),
            *(scratch.data_ptr(), self._scratch),
            out.data_ptr(),
        )
        if not self.kernel.run(job, threads):
            raise ArgumentError("no such mask", where="masks", expected=f"0 to {self._tables.masks - 1}")


def rounded_up(number: int, of: int) -> int:
    """The smallest multiple of ``of`` that is at least ``number``.

    >>> rounded_up(13, 4)
    16
    """
    return -(-number // of) * of


def _blocks(columns_of: NDArray[np.float64], kernel: Kernel) -> NDArray[np.float32]:
    """(block, column of frequencies, columns of the block): the basis in the layout that the loops read.

    At the right edge vectors overlap, so that only whole vectors are written.
    """
    width = len(columns_of)
    basis = np.zeros((columns_of.shape[1], max(width, kernel.lanes)), np.float32)
    basis[:, :width] = columns_of.T
    starts = np.minimum(np.arange(0, rounded_up(width, kernel.columns), kernel.lanes), basis.shape[1] - kernel.lanes)
    vectors = np.stack([basis[:, start : start + kernel.lanes] for start in starts], axis=1)
    return vectors.reshape(len(basis), -1, kernel.columns).swapaxes(0, 1)


def _aligned(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that starts at a cache line."""
    room = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    copy = room[start : start + array.nbytes].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


def _parity(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each column: 1 if it is symmetric about its middle, -1 if antisymmetric, 0 if neither."""
    even = np.isclose(matrix, matrix[::-1], rtol=0, atol=1e-12).all(axis=0)
    odd = np.isclose(matrix, -matrix[::-1], rtol=0, atol=1e-12).all(axis=0)
    return np.where(even, 1, np.where(odd, -1, 0))
