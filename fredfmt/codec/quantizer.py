"""Real coefficients in, stored numbers and their error out."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.spectra import Rows, row_blocks
from fredfmt.errors import ArgumentError
from fredfmt.model.parts import Quantization

Step = float | None | Literal["float16"]
"""A uniform step in orthonormal units, None for float32, or ``"float16"``."""

Rounding = Literal["nearest", "rate"]
"""To the nearest multiple of a step, or by bits and error together; see `quantize`."""

_BITS_AGAINST_ERROR = 0.06
"""Half the worth of a bit in squared steps, which is (2 ln 2) / 12: the slope of error against rate at fine steps."""
_MOST_BELOW = 0.3


def quantize(coefficients: Rows, step: Step, *, rounding: Rounding = "nearest") -> tuple[NDArray[Any], Quantization]:
    """Stored numbers of real coefficients, same shape, and how they were made, with the achieved error.

    A uniform step rounds to the nearest multiple (ties to even) and gives int16, or int32 where that is too narrow. One
    step for all coefficients of an orthonormal transform is the allocation of least mean square error. Raises
    `ArgumentError` for an unusable step and for values that the chosen kind of number cannot hold. The coefficients are
    read in blocks, twice.

    With ``rounding="rate"`` a coefficient becomes the smaller of its two neighbours where the bits saved are worth the
    error: at the same error a finer step then takes fewer bytes, the more the coarser it is (docs/decisions/codec.md).
    An integer n + 1 takes log2(1 + 1/m) bits more than n, with m the mean magnitude of the integers at its channel and
    frequency (a geometric distribution), so the threshold between them moves up from 1/2 by 0.06 of that, 0.3 at most.
    The error of a coefficient is then up to 0.8 steps.

    >>> import numpy as np
    >>> quantize(np.array([[0.2, -0.7, 1.2]]), 0.5)[0]
    array([[ 0, -1,  2]], dtype=int16)
    >>> values = np.array([[[2.0, 0.55]], [[-2.1, 0.1]]])
    >>> quantize(values, 1.0, rounding="rate")[0].tolist()
    [[[2, 0]], [[-2, 0]]]
    """
    check_step(step)
    dtype, mode = _kind(coefficients, step)
    size = float(step) if isinstance(step, int | float) else None
    below = _below(coefficients, size, rounding)
    stored = np.empty(tuple(coefficients.shape), dtype)
    largest = squares = 0.0
    for rows in row_blocks(coefficients):
        block = coefficients[rows]
        stored[rows] = block if size is None else _rounded(block / size, below)
        error = stored[rows] * np.float64(size or 1) - block
        largest = max(largest, float(np.abs(error).max(initial=0)))
        squares += float(np.square(error).sum())
    rms = math.sqrt(squares / stored.size) if stored.size else 0.0
    return stored, Quantization(mode, size, error_max=largest, error_rms=rms)


def _kind(coefficients: Rows, step: Step) -> tuple[type[np.generic], Literal["uniform", "float16", "float32"]]:
    """The kind of number that holds the coefficients, and the mode of quantisation."""
    size = step if isinstance(step, int | float) else None
    largest = 0.0
    for rows in row_blocks(coefficients):
        block = coefficients[rows]
        if not np.isfinite(block).all():
            raise ArgumentError("coefficients hold NaN or infinity", expected="finite values")
        scaled = block if size is None else np.rint(block / size)
        largest = max(largest, float(np.abs(scaled).max(initial=0)))
    if step is None:
        return np.float32, "float32"
    if step == "float16":
        if largest > float(np.finfo(np.float16).max):
            raise ArgumentError("a coefficient is too large for float16", hint="Use a step or float32")
        return np.float16, "float16"
    if largest > np.iinfo(np.int32).max:
        raise ArgumentError("the step is too small: integers would not fit 32 bits", found=step)
    return (np.int16 if largest <= np.iinfo(np.int16).max else np.int32), "uniform"


def _below(coefficients: Rows, size: float | None, rounding: Rounding) -> NDArray[np.float64] | None:
    """How far above the middle the threshold between two integers is, by channel and frequency; None: at the middle."""
    if rounding not in get_args(Rounding):
        raise ArgumentError("unknown rounding", expected=" or ".join(get_args(Rounding)), found=rounding)
    if rounding == "nearest" or size is None:
        return None
    total = np.zeros(tuple(coefficients.shape)[1:])
    for rows in row_blocks(coefficients):
        total += np.abs(np.rint(coefficients[rows] / size)).sum(axis=0, dtype=np.float64)
    mean = total / coefficients.shape[0] + 1 / 64
    below: NDArray[np.float64] = np.minimum(_BITS_AGAINST_ERROR * np.log2(1 + 1 / mean), _MOST_BELOW)
    return below


def _rounded(scaled: NDArray[np.floating[Any]], below: NDArray[np.float64] | None) -> NDArray[np.floating[Any]]:
    """Integers of coefficients in steps."""
    if below is None:
        nearest: NDArray[np.floating[Any]] = np.rint(scaled)
        return nearest
    lower: NDArray[np.floating[Any]] = np.copysign(np.floor(np.abs(scaled) + 0.5 - below), scaled)
    return lower


def check_step(step: Step) -> None:
    """Raise `ArgumentError` if ``step`` is not a step."""
    if step is None or step == "float16":
        return
    if not isinstance(step, int | float) or isinstance(step, bool) or not math.isfinite(step) or step <= 0:
        raise ArgumentError("unusable step", expected="a positive number, None or 'float16'", found=repr(step))
