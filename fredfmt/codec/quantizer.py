"""Quantises real coefficients to stored numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fredfmt.codec.spectra import Rows, row_blocks
from fredfmt.codec.spool import Spool
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import is_number
from fredfmt.model.parts import Quantization
from fredfmt.storage.coder import choose
from fredfmt.storage.containers.codecs.context import QUICK

Step = float | None | Literal["float16"]
"""A uniform step in orthonormal units, None for float32, or ``"float16"``."""

Rounding = Literal["nearest", "rate"]
"""To the nearest multiple of a step, or rate-distortion optimised; see `quantize`."""

_BITS_AGAINST_ERROR = 0.06
"""Half of `fredfmt.storage.coder.WORTH_OF_A_BIT`."""
_MOST_BELOW = 0.3


def quantize(
    coefficients: Rows, step: Step, *, rounding: Rounding = "nearest", least: DTypeLike = np.int16
) -> tuple[NDArray[Any], Quantization]:
    """Quantise real coefficients. Returns the stored numbers, of the same shape, and the quantisation with its error.

    A uniform step rounds to the nearest multiple (ties to even). The numbers are int16, or int32 if int16 is too narrow
    or narrower than ``least``. A single step for all coefficients of an orthonormal transform minimises the mean square
    error. Raises `ArgumentError` for an unusable step and for values that the number type cannot represent. The
    coefficients are read in blocks, twice. More than 64 MiB of numbers are stored in a temporary file
    (`fredfmt.codec.spool`) and read when they are accessed.

    With ``rounding="rate"``, each coefficient is rounded to the one of its two neighbours with the lower cost of error
    and bits: for the same error, a finer step then takes fewer bytes (docs/decisions/codec.md). The error of a
    coefficient stays below one step, and multiples of the step do not change. The bits are those of the context coder
    (`fredfmt.storage.coder.choose`), if there are few enough values that it is the default codec. Otherwise they are
    estimated: an integer n + 1 needs log2(1 + 1/m) bits more than n, where m is the mean magnitude at its channel and
    frequency (a geometric distribution), so the threshold between them moves up from 1/2 by 0.06 times that, but at
    most by 0.3.

    >>> import numpy as np
    >>> quantize(np.array([[0.2, -0.7, 1.2]]), 0.5)[0]
    array([[ 0, -1,  2]], dtype=int16)
    >>> values = np.array([[[2.0, 0.55]], [[-2.1, 0.1]]])
    >>> quantize(values, 1.0, rounding="rate")[0].tolist()
    [[[2, 0]], [[-2, 0]]]
    """
    check_step(step)
    dtype, mode = _kind(coefficients, step)
    if mode == "uniform":
        dtype = np.promote_types(dtype, least).type
    size = float(step) if isinstance(step, int | float) else None
    numbers = _numbers(coefficients, size, dtype, rounding)
    largest = squares = 0.0
    with closing(Spool(tuple(coefficients.shape), dtype)) as spool:
        for rows in row_blocks(coefficients):
            block = coefficients[rows]
            spool[rows] = stored = numbers(rows, block).astype(dtype)
            error = np.multiply(stored, size or 1, dtype=np.float64) - block
            largest = max(largest, float(np.abs(error).max(initial=0)))
            squares += float(np.square(error).sum())
        whole = spool.whole()
    rms = math.sqrt(squares / whole.size) if whole.size else 0.0
    return whole, Quantization(mode, size, error_max=_at_least(largest), error_rms=_at_least(rms))


def _at_least(error: float) -> float:
    """An error rounded up to five significant digits, so that metadata are short."""
    if error < 1e-300:  # a float that small has fewer digits
        return error
    unit = 10.0 ** (math.floor(math.log10(error)) - 4)
    return float(f"{math.ceil(error / unit - 1e-6) * unit:.5g}")


def _kind(coefficients: Rows, step: Step) -> tuple[type[np.generic], Literal["uniform", "float16", "float32"]]:
    """The number type that can represent the coefficients, and the mode of quantisation."""
    size = step if isinstance(step, int | float) else None
    largest = 0.0
    for rows in row_blocks(coefficients):
        block = coefficients[rows]
        if not np.isfinite(block).all():
            raise ArgumentError("coefficients contain NaN or infinity", expected="finite values")
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


def _numbers(
    coefficients: Rows, size: float | None, dtype: type[np.generic], rounding: Rounding
) -> Callable[[slice, NDArray[Any]], NDArray[Any]]:
    """A function from a slice of instances and their coefficients to their stored numbers."""
    check_rounding(rounding)
    if size is None:
        return lambda rows, block: block
    if rounding == "nearest":
        return lambda rows, block: np.rint(block / size)
    if math.prod(coefficients.shape) <= QUICK:
        chosen = choose(coefficients[0 : coefficients.shape[0]].astype(np.float64) / size, dtype)
        return lambda rows, block: chosen[rows]
    below = _below(coefficients, size)
    return lambda rows, block: np.copysign(np.floor(np.abs(block / size) + 0.5 - below), block)


def _below(coefficients: Rows, size: float) -> NDArray[np.float64]:
    """How far above the middle the threshold between two integers is, by channel and frequency."""
    total = np.zeros(tuple(coefficients.shape)[1:])
    for rows in row_blocks(coefficients):
        total += np.abs(np.rint(coefficients[rows] / size)).sum(axis=0, dtype=np.float64)
    mean = total / coefficients.shape[0] + 1 / 64
    below: NDArray[np.float64] = np.minimum(_BITS_AGAINST_ERROR * np.log2(1 + 1 / mean), _MOST_BELOW)
    return below


def check_rounding(rounding: Rounding) -> None:
    """Raise `ArgumentError` if ``rounding`` is not a way to round."""
    if not isinstance(rounding, str) or rounding not in get_args(Rounding):
        raise ArgumentError("unknown rounding", expected=" or ".join(get_args(Rounding)), found=quoted(rounding))


def check_step(step: Step) -> None:
    """Raise `ArgumentError` if ``step`` is not a step."""
    if step is None or (isinstance(step, str) and step == "float16"):
        return
    if not isinstance(step, int | float) or not is_number(step) or step <= 0:
        raise ArgumentError("unusable step", expected="a positive number, None or 'float16'", found=quoted(step))
