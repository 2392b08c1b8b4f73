"""Coefficients to images on the CPU by compiled loops (`_planes.c`), where installation found a C compiler.

Each image is made from the frequencies of its own mask alone, so a batch may mix masks at no cost. Written for float32
images of one or two axes; everything else, and every other device, goes through `fredfmt.codec.synthesis`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.errors import ArgumentError
from fredfmt.storage.compiled import load_compiled

_LANES, _COLUMNS, _TOGETHER = 16, 32, 4
_STACK = 512 << 10
"""Bytes of its stack that a thread may use."""
_PIXELS_A_THREAD = 8192
"""Fewer are not worth waking another thread."""
_POINTERS = ("order", "column", "end", "used", "factors", "basis")
_NUMBERS = ("masks", "frequencies", "rows", "height", "width", "padded_height", "columns", "mirrored")


class _Tables(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_int64) for name in _NUMBERS), *((name, ctypes.c_void_p) for name in _POINTERS)]


_FUNCTIONS = {
    "fredfmt_planes": (
        ctypes.c_int,
        (
            ctypes.POINTER(_Tables),
            *(ctypes.c_void_p, ctypes.c_void_p),
            *(ctypes.c_int64,) * 4,
            *(ctypes.c_int, ctypes.c_void_p),
        ),
    )
}
LIBRARY = load_compiled("fredfmt.codec._planes", _FUNCTIONS).library


class Planes:
    """The images of any of a set of masks: tables for the compiled loops.

    Parameters
    ----------
    frequencies
        (mask, frequency) flat indices into ``spatial_shape``.
    spatial_shape
        One or two lengths.
    matrices
        One (size, length) synthesis matrix an axis.
    """

    def __init__(
        self,
        frequencies: NDArray[np.integer],
        spatial_shape: Sequence[int],
        matrices: Sequence[NDArray[np.float64]],
    ) -> None:
        rows_of, columns_of = matrices if len(matrices) == 2 else (np.ones((1, 1)), matrices[0])
        height, width = len(rows_of), len(columns_of)
        row, column = np.divmod(frequencies.astype(np.int64), spatial_shape[-1])
        parity = _parity(rows_of)
        mirrored = height > 1 and bool((parity[row] != 0).all())
        ranks = np.lexsort((np.arange(rows_of.shape[1]), parity != 1)) if mirrored else np.arange(rows_of.shape[1])
        place = np.empty_like(ranks)
        place[ranks] = np.arange(len(ranks))
        order = np.argsort(place[row], axis=1, kind="stable")
        used = [np.unique(place[each]) for each in row]
        most = max(map(len, used))
        end = np.zeros((len(frequencies), most), np.int32)
        factors = np.zeros((len(frequencies), most, -(-height // _TOGETHER) * _TOGETHER), np.float32)
        counts = np.zeros((len(frequencies), 2), np.int32)
        for mask, places in enumerate(used):
            sorted_places = place[row[mask]][order[mask]]
            end[mask, : len(places)] = np.searchsorted(sorted_places, places, side="right")
            factors[mask, : len(places), :height] = rows_of[:, ranks[places]].T
            counts[mask] = len(places), (parity[ranks[places]] == 1).sum() if mirrored else len(places)
        basis = np.zeros((columns_of.shape[1], max(width, _LANES)), np.float32)
        basis[:, :width] = columns_of.T
        starts = np.minimum(np.arange(0, -(-width // _COLUMNS) * _COLUMNS, _LANES), basis.shape[1] - _LANES)
        vectors = np.stack([basis[:, start : start + _LANES] for start in starts])
        blocks = vectors.reshape(-1, 2, len(basis), _LANES).swapaxes(1, 2)
        self._arrays = {
            "order": order.astype(np.int32),
            "column": np.ascontiguousarray(np.take_along_axis(column, order, 1), np.int32),
            "end": end,
            "used": counts,
            "factors": factors,
            "basis": np.ascontiguousarray(blocks),
        }
        numbers = (*frequencies.shape, most, height, width, factors.shape[2], len(basis), int(mirrored))
        self._numbers = dict(zip(_NUMBERS, numbers, strict=True))
        self._tables = self._described()

    def _described(self) -> _Tables:
        """Where the tables are, for the loops."""
        return _Tables(**self._numbers, **{name: array.ctypes.data for name, array in self._arrays.items()})

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_tables"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._tables = self._described()

    @classmethod
    def can_make(cls, k: int, spatial_shape: Sequence[int], dtype: torch.dtype) -> bool:
        """Whether the loops are there, and written for such images."""
        rows = spatial_shape[0] if len(spatial_shape) == 2 else 1
        fits = 4 * (k + rows * _COLUMNS) <= _STACK
        return LIBRARY is not None and len(spatial_shape) <= 2 and dtype == torch.float32 and fits

    def __call__(self, coefficients: Tensor, masks: Tensor | int, out: Tensor) -> None:
        """Fill ``out`` (B, C, *size) from float32 coefficients (B, C, K) and masks (B,), or one mask for all.

        Raises
        ------
        ArgumentError
            For a mask that is not there; nothing is written then.
        """
        assert LIBRARY is not None
        coefficients = coefficients.contiguous()
        instances, channels, stride = coefficients.shape
        many = None if isinstance(masks, int) else masks.contiguous()
        threads = torch.get_num_threads()
        if out.numel() < threads * _PIXELS_A_THREAD:  # all of torch's threads or none: OpenMP starts others anew
            threads = 1
        failed = LIBRARY.fredfmt_planes(
            ctypes.byref(self._tables),
            coefficients.data_ptr(),
            None if many is None else many.data_ptr(),
            masks if isinstance(masks, int) else 0,
            *(instances, channels, stride, threads),
            out.data_ptr(),
        )
        if failed:
            raise ArgumentError("no such mask", where="masks", expected=f"0 to {self._numbers['masks'] - 1}")


def _parity(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of each column: 1 if it is even about its middle, -1 if odd, 0 if neither."""
    even = np.isclose(matrix, matrix[::-1], rtol=0, atol=1e-12).all(axis=0)
    odd = np.isclose(matrix, -matrix[::-1], rtol=0, atol=1e-12).all(axis=0)
    return np.where(even, 1, np.where(odd, -1, 0))
