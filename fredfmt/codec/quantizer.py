"""Real coefficients in, stored numbers and their error out."""

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
"""To the nearest multiple of a step, or by bits and error together; see `quantize`."""

_BITS_AGAINST_ERROR = 0.06
"""Half of `fredfmt.storage.coder.WORTH_OF_A_BIT`."""
_MOST_BELOW = 0.3


def quantize(
    coefficients: Rows, step: Step, *, rounding: Rounding = "nearest", least: DTypeLike = np.int16
) -> tuple[NDArray[Any], Quantization]:
    """Stored numbers of real coefficients, same shape, and how they were made, with the achieved error.

    A uniform step rounds to the nearest multiple (ties to even) and gives int16, or int32 where that is too narrow, or
    narrower than ``least``. One step for all coefficients of an orthonormal transform is the allocation of least mean
    square error. Raises `ArgumentError` for an unusable step and for values that the chosen kind of number cannot hold.
    The coefficients are read in blocks, twice. Of more than 64 MiB, the numbers lie in a temporary file
    (`fredfmt.codec.spool`), from which they are read whenever they are looked at.

    With ``rounding="rate"`` a coefficient becomes the one of its two neighbours that is worth its bits: at the same
    error a finer step then takes fewer bytes (docs/decisions/codec.md). The error of a coefficient stays below one
    step, and multiples of the step stay what they are. The bits are those of the context coder
    (`fredfmt.storage.coder.choose`), for as many values as are stored by it unasked. For more of them, an integer n + 1
    is taken to need log2(1 + 1/m) bits more than n, with m the mean magnitude at its channel and frequency (a geometric
    distribution): the threshold between them moves up from 1/2 by 0.06 of that, 0.3 at most.

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
    return whole, Quantization(mode, size, error_max=largest, error_rms=rms)


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


def _numbers(
    coefficients: Rows, size: float | None, dtype: type[np.generic], rounding: Rounding
) -> Callable[[slice, NDArray[Any]], NDArray[Any]]:
    """What gives the stored numbers of some rows and their coefficients."""
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


def rounding_thresholds(coefficients: Rows, step: float) -> NDArray[np.float64]:
    """What has to be added to magnitudes in steps, before their fraction is cut off, to round about as
    ``rounding="rate"`` does, (channel, frequency): 0.5 where that rounds to the nearest, down to 0.2."""
    return 0.5 - _below(coefficients, step)


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
