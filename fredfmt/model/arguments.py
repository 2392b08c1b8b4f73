"""Numbers that callers give: checked, and returned as plain Python numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fredfmt.errors import ArgumentError


def integer_of(name: str, value: Any, *, least: int, where: str = "") -> int:
    """An integer of at least ``least``, Python's or NumPy's. Raises `ArgumentError` for anything else.

    >>> integer_of("batch_size", 256, least=1)
    256
    >>> integer_of("seed", -1, least=0)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: unusable seed; expected an integer of at least 0, found -1
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ArgumentError(
            f"unusable {name}", where=where, expected=f"an integer of at least {least}", found=repr(value)
        )
    return int(value)


def positive_of(name: str, value: Any, *, hint: str = "") -> float:
    """A finite number above 0, Python's or NumPy's. Raises `ArgumentError` for anything else.

    >>> positive_of("target_rmse", 0.02)
    0.02
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ArgumentError(f"unusable {name}", expected="a finite number above 0", found=repr(value), hint=hint)
    return float(value)


def lengths_of(name: str, value: Any, axes: int, *, where: str = "") -> tuple[int, ...]:
    """The lengths of some axes, each at least 1; an integer is that length of every axis.

    Raises `ArgumentError` for anything else.

    >>> lengths_of("size", 32, axes=2), lengths_of("size", [24, 32], axes=2)
    ((32, 32), (24, 32))
    """
    one = isinstance(value, int | np.integer)
    try:
        lengths = tuple(integer_of(name, length, least=1) for length in ((value,) * axes if one else value))
    except (ArgumentError, TypeError):
        lengths = ()
    if len(lengths) != axes:
        expected = f"an integer of at least 1, or {axes} of them, one for each axis"
        raise ArgumentError(f"unusable {name}", where=where, expected=expected, found=repr(value))
    return lengths
