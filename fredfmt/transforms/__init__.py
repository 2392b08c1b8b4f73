"""Separable transforms, each defined by one synthesis matrix per axis.

A transform is a function ``(n) -> matrix`` of shape (position, frequency), float64, with orthonormal columns, ordered
from coarse to fine: column 0 is the coarsest pattern of an axis of length n. A transform that is not bijective
(`downsample`) has columns of zeros at the end, whose frequencies cannot be kept. An image of coefficients ``F`` is
``A_0 F A_1^T`` in two dimensions, and so on for each axis in other dimensions. To add a transform, add a module to this
package and a line to `TRANSFORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, LimitError, quoted
from fredfmt.transforms.dct import dct, dct_resized
from fredfmt.transforms.downsample import downsample
from fredfmt.transforms.hartley import hartley
from fredfmt.transforms.identity import identity
from fredfmt.transforms.wavelets import db2, haar

Matrix: TypeAlias = NDArray[np.float64]

TRANSFORMS: Mapping[str, Callable[[int], Matrix]] = MappingProxyType(
    {"db2": db2, "dct": dct, "downsample": downsample, "haar": haar, "hartley": hartley, "identity": identity}
)
RESIZED: Mapping[str, Callable[[int, int], Matrix]] = MappingProxyType({"dct": dct_resized})
"""Transforms whose basis is a continuous function, so that it can be evaluated on a finer or coarser grid."""

LARGEST = 1 << 28
"""The largest number of elements of a synthesis matrix (2 GiB)."""

__all__ = ["RESIZED", "TRANSFORMS", "Matrix", "analyse", "live_frequencies", "spatial_size", "synthesis_matrix"]


@lru_cache(maxsize=64)
def synthesis_matrix(name: str, n: int, size: int | None = None) -> Matrix:
    """The (size, n) synthesis matrix of a transform along an axis of length ``n``, read-only float64.

    With ``size``, the basis is evaluated on a finer or coarser grid of that length. Raises `ArgumentError` for a name
    that is not in `TRANSFORMS` and for a transform without other sizes, and `LimitError` for a matrix of over 2^28
    elements.

    >>> synthesis_matrix("haar", 2).round(4).tolist()
    [[0.7071, 0.7071], [0.7071, -0.7071]]
    >>> synthesis_matrix("dct", 4, size=6).shape
    (6, 4)
    """
    if n * max(size or n, 1) > LARGEST:
        longest = f"at most {math.isqrt(LARGEST):,} positions"
        raise LimitError("an axis is too long to be transformed", expected=longest, found=f"{max(n, size or n):,}")
    _check_name(name)
    if size is None or size == n:
        matrix = TRANSFORMS[name](n)
    elif size < 1:
        raise ArgumentError("an axis cannot have that size", expected="at least 1", found=size)
    elif name not in RESIZED:
        raise ArgumentError(
            f"the transform {name!r} cannot decode at other sizes",
            expected=n,
            found=size,
            hint=f"Other sizes exist for {sorted(RESIZED)}",
        )
    else:
        matrix = RESIZED[name](n, size)
    matrix.setflags(write=False)
    return matrix


def analyse(images: NDArray[np.floating], name: str, axes: int) -> NDArray[np.floating]:
    """All coefficients of images (instance, ..., *spatial) over their last ``axes`` axes, same shape and dtype.

    For float32 images the result has the same bits on every processor: products are sums of integers that float64
    represents exactly, in any order and with any instructions. The error is that of float32.

    >>> abs(analyse(np.ones((1, 1, 3, 4)), "dct", 2)[0, 0, 0].round(9)).tolist()
    [3.464101615, 0.0, 0.0, 0.0]
    """
    product = _repeatable if images.dtype == np.float32 else np.matmul
    result = images
    for axis in range(images.ndim - axes, images.ndim):
        matrix = synthesis_matrix(name, images.shape[axis])
        result = np.moveaxis(product(np.moveaxis(result, axis, -1), matrix), -1, axis)
    return np.ascontiguousarray(result, images.dtype)


def _repeatable(rows: NDArray[np.floating], matrix: Matrix) -> NDArray[np.floating]:
    """``rows @ matrix`` of (instance, ..., position) rows, both rounded to multiples of a power of two.

    A row of n numbers below 2^b times a column of length 2^b sums, in any order, to less than sqrt(n) 2^(2 b), and
    float64 is exact up to 2^53.
    """
    length = len(matrix)
    if np.array_equal(matrix, np.eye(length)):
        return rows.astype(np.float64)
    bits = (52 - math.ceil(math.log2(length) / 2)) // 2
    largest = np.abs(rows).max(axis=tuple(range(1, rows.ndim)), keepdims=True)
    unit = np.ldexp(1.0, np.frexp(largest)[1] - bits)
    exact: NDArray[np.floating] = np.rint(rows / unit) @ np.rint(np.ldexp(matrix, bits))
    exact *= np.ldexp(unit, -bits)
    return exact


def live_frequencies(name: str, shape: Sequence[int]) -> NDArray[np.bool_]:
    """(frequency,) booleans: which flat indices of a spatial shape have a pattern; all, for a bijective transform."""
    _check_name(name)
    live = np.ones((), bool)
    for length in shape:
        live = np.logical_and.outer(live, synthesis_matrix(name, length).any(axis=0))
    return live.ravel()


def _check_name(name: str) -> None:
    if not isinstance(name, str) or name not in TRANSFORMS:
        raise ArgumentError("no such transform", expected=f"one of {sorted(TRANSFORMS)}", found=quoted(name))


def spatial_size(shape: Sequence[int]) -> int:
    """Number of positions, and of frequencies, in a spatial shape."""
    product = 1
    for length in shape:
        product *= int(length)
    return product
