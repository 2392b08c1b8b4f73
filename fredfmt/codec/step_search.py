"""Searches the quantisation step for a given error or number of bytes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fredfmt.codec.spectra import Rows, row_blocks
from fredfmt.errors import ArgumentError, BudgetError
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size

_NEARBY = 1.02
_FULL = 0.99
"""The share of the bytes below which a step near that of a run is not enough, and a finer one is searched."""
_FINEST_BITS = 20
"""The smallest step of a search relative to a typical coefficient: the resolution of float32."""


def step_for_error(at: Callable[[float], FreDData], coefficients: Rows, target_rmse: float) -> float:
    """The largest step of five digits with which ``at(step)`` records a root mean square error of at most
    ``target_rmse``."""
    return _short(
        largest_step(
            lambda step: (at(_short(step)).metadata.quantization.error_rms or 0.0) <= target_rmse,
            _typical(coefficients),
        )
    )


def step_for_bytes(
    at: Callable[[float], FreDData], coefficients: Rows, max_bytes: int, *, near: float | None = None
) -> float:
    """The smallest step of five digits with which the ``.fred`` file of ``at(step)`` has at most ``max_bytes`` bytes.

    The search begins at the step ``near``, if it is given: the size of a small file does not always decrease as the
    step grows, and of several steps that fit, the search finds one close to ``near``, unless it leaves more than a
    hundredth of the bytes unused, and another search finds a finer one. Raises `BudgetError` if even the coarsest step
    makes too large a file.
    """
    start = _typical(coefficients)
    coarsest = 1e-6 / start
    least = packed_size(at(_short(1 / coarsest)))
    if least > max_bytes:
        raise BudgetError(
            "max_bytes is less than the file takes without any coefficients",
            least=least,
            found=f"{max_bytes:,} bytes",
            hint="Use fewer images, a smaller k or more bytes",
        )
    finest = 2**_FINEST_BITS / start

    def finest_from(begin: float, factor: float) -> float:
        fineness = largest_step(
            lambda fineness: fineness <= finest and packed_size(at(_short(1 / fineness))) <= max_bytes,
            1 / begin,
            factor=factor,
            known=coarsest,
        )
        return _short(1 / fineness)

    if near is None:
        return finest_from(start, 2.0)
    found = finest_from(near, _NEARBY)
    if packed_size(at(found)) >= _FULL * max_bytes:
        return found
    return min(found, finest_from(start, 2.0))


def _short(step: float) -> float:
    """The nearest number of five significant digits, which the metadata store in fewer bytes."""
    return float(f"{step:.5g}")


def _typical(coefficients: Rows) -> float:
    """The root mean square of the coefficients, where a search starts; 1 if all are 0."""
    squares = sum(float(np.square(coefficients[rows], dtype=np.float64).sum()) for rows in row_blocks(coefficients))
    return math.sqrt(squares / math.prod(coefficients.shape)) or 1.0


def largest_step(
    fits: Callable[[float], bool], start: float, *, precision: float = 1e-3, factor: float = 2.0, known: float = 0.0
) -> float:
    """The largest step, to a relative ``precision``, for which ``fits`` was seen to hold.

    ``fits`` must hold for sufficiently small steps and fail for sufficiently large ones. The search brackets from
    ``start`` by ``factor``, which grows to 2, and then bisects the logarithm. ``known`` is a small step for which it
    was seen to hold before; without one, `ArgumentError` is raised if no step fits.
    """
    good, bad = start, math.inf
    while good > known and not fits(good):
        good, bad, factor = max(known, good / factor), good, min(2.0, factor * factor)
        if good < start * 1e-18:
            raise ArgumentError(
                "no step meets the target", hint="Allow a larger error or more bytes, or keep fewer frequencies"
            )
    while bad == math.inf:
        further = good * factor
        if further <= start * 1e18 and fits(further):
            good, factor = further, min(2.0, factor * factor)
        else:
            bad = further
    while bad / good > 1 + precision:
        middle = math.sqrt(good * bad)
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good
