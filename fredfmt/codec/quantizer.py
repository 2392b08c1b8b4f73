"""Real coefficients to stored numbers and back, with the error that makes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.model.metadata import Quantization

Step = float | None | Literal["float16"]
"""A uniform step in orthonormal units, None for float32, or ``"float16"``."""


def quantize(coefficients: NDArray[np.floating[Any]], step: Step) -> tuple[NDArray[Any], Quantization]:
    """Stored numbers of real coefficients, same shape, and how they were made, with the achieved error.

    A uniform step rounds to the nearest multiple (ties to even) and gives int16, or int32 where that is too narrow. One
    step for all coefficients of an orthonormal transform is the allocation of least mean square error. Raises
    `ArgumentError` for an unusable step and for values that the chosen kind of number cannot hold.
    """
    check_step(step)
    if not np.isfinite(coefficients).all():
        raise ArgumentError("coefficients hold NaN or infinity", expected="finite values")
    stored: NDArray[Any]
    if step is None:
        stored, restored, mode = coefficients.astype(np.float32), None, "float32"
    elif step == "float16":
        if coefficients.size and np.abs(coefficients).max() > np.finfo(np.float16).max:
            raise ArgumentError("a coefficient is too large for float16", hint="Use a step or float32")
        stored, restored, mode = coefficients.astype(np.float16), None, "float16"
    else:
        integers = np.rint(coefficients / step)
        largest = np.abs(integers).max(initial=0)
        if largest > np.iinfo(np.int32).max:
            raise ArgumentError("the step is too small: integers would not fit 32 bits", found=step)
        stored = integers.astype(np.int16 if largest <= np.iinfo(np.int16).max else np.int32)
        restored, mode = stored * np.float64(step), "uniform"
    error = (stored.astype(np.float64) if restored is None else restored) - coefficients
    quantization = Quantization(
        mode,  # type: ignore[arg-type]  # one of the three above
        float(step) if mode == "uniform" else None,  # type: ignore[arg-type]
        error_max=float(np.abs(error).max(initial=0)),
        error_rms=float(np.sqrt(np.square(error).mean())) if error.size else 0.0,
    )
    return stored, quantization


def check_step(step: Step) -> None:
    """Raise `ArgumentError` for what is no step."""
    if step is None or step == "float16":
        return
    if not isinstance(step, int | float) or isinstance(step, bool) or not math.isfinite(step) or step <= 0:
        raise ArgumentError("unusable step", expected="a positive number, None or 'float16'", found=repr(step))


def largest_step(fits: Callable[[float], bool], start: float, *, precision: float = 1e-3) -> float:
    """The largest step, to a relative ``precision``, for which ``fits`` was seen to hold.

    ``fits`` must hold for steps small enough and fail for steps too large; the search brackets from ``start`` by
    doubling or halving and then bisects the logarithm. Raises `ArgumentError` if no step fits.
    """
    good = start
    while not fits(good):
        good /= 2
        if good < start * 1e-18:
            raise ArgumentError(
                "no step meets the target", hint="Ask for a larger error, more bytes or fewer frequencies"
            )
    bad = good * 2
    while bad <= start * 1e18 and fits(bad):
        good, bad = bad, bad * 2
    while bad / good > 1 + precision:
        middle = math.sqrt(good * bad)
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good
