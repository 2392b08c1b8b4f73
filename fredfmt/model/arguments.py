"""Checks numeric arguments and returns them as plain Python numbers.

An argument may be anything: an integer of thousands of digits, NaN, an array, a number type of another library.
Everything that is not a number of the expected kind and range is refused with an `ArgumentError`.
"""

from __future__ import annotations

import math
import operator
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, FredIndexError, FredTypeError, quoted

LARGEST = 2**64 - 1
"""The largest accepted integer, for example as a seed: the largest of 64 bits."""
_MANY = 2**53 - 1
"""An upper bound of at least this size is mentioned only in errors about larger values."""


def is_integer(value: Any) -> bool:
    """Whether a value is an integer of Python or NumPy; booleans are not.

    >>> is_integer(np.uint8(3)), is_integer(3.0), is_integer(True)
    (True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number of Python or NumPy in the range of a float; booleans are not.

    >>> is_number(3), is_number(np.float32(0.5)), is_number(math.nan), is_number(10**400)
    (True, True, False, False)
    """
    if is_integer(value):
        return abs(int(value)) <= sys.float_info.max
    return isinstance(value, float | np.floating) and math.isfinite(value)


def expect_kind(value: object, kind: type, what: str, *, expected: str, hint: str = "") -> None:
    """Raise `ArgumentError` for anything but an instance of ``kind``.

    >>> expect_kind(3, int, "not a number", expected="an int")
    """
    if not isinstance(value, kind):
        raise ArgumentError(what, expected=expected, found=type(value).__name__, hint=hint)


def flag_of(name: str, value: Any) -> bool:
    """True or False of Python or NumPy. Raises `ArgumentError` for anything else: the text "no" would count as true.

    >>> flag_of("shuffle", np.bool_(True))
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"unusable {name}", expected="True or False", found=quoted(value))
    return bool(value)


def integer_of(name: str, value: Any, *, least: int, most: int = LARGEST, where: str = "") -> int:
    """An integer of Python or NumPy from ``least`` to ``most``. Raises `ArgumentError` for anything else.

    >>> integer_of("batch_size", 256, least=1)
    256
    >>> integer_of("seed", -1, least=0)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: unusable seed; expected an integer of at least 0, found -1
    >>> integer_of("seed", 2**64, least=0)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: unusable seed; expected an integer from 0 to 18446744073709551615, found ...
    """
    whole = int(value) if is_integer(value) else None
    if whole is None or not least <= whole <= most:
        unbounded = most >= _MANY and (whole is None or whole < least)
        expected = f"an integer of at least {least}" if unbounded else f"an integer from {least} to {most}"
        raise ArgumentError(f"unusable {name}", where=where, expected=expected, found=quoted(value))
    return whole


def positive_of(name: str, value: Any, *, hint: str = "") -> float:
    """A finite number of Python or NumPy above 0. Raises `ArgumentError` for anything else.

    >>> positive_of("target_rmse", 0.02)
    0.02
    """
    number = float(value) if is_number(value) else 0.0
    if number <= 0:
        raise ArgumentError(f"unusable {name}", expected="a finite number above 0", found=quoted(value), hint=hint)
    return number


def share_of(name: str, value: Any) -> float:
    """A number of Python or NumPy from 0 to 1. Raises `ArgumentError` for anything else.

    >>> share_of("weight", 0.5)
    0.5
    """
    number = float(value) if is_number(value) else -1.0
    if not 0 <= number <= 1:
        raise ArgumentError(f"unusable {name}", expected="a number from 0 to 1", found=quoted(value))
    return number


def several_of(name: str, value: Any, *, expected: str = "a list") -> tuple[Any, ...]:
    """The elements of a list or any other iterable except a string. Raises `ArgumentError` for anything else.

    >>> several_of("steps", [0.5, 1.0])
    (0.5, 1.0)
    """
    try:
        elements = None if isinstance(value, str | bytes) else tuple(value)
    except TypeError:
        elements = None
    if elements is None:
        raise ArgumentError(f"unusable {name}", expected=expected, found=quoted(value))
    return elements


def lengths_of(name: str, value: Any, axes: int, *, where: str = "") -> tuple[int, ...]:
    """The lengths of a number of ``axes``, each at least 1; a single integer is the length of every axis.

    Raises `ArgumentError` for anything else.

    >>> lengths_of("size", 32, axes=2), lengths_of("size", [24, 32], axes=2)
    ((32, 32), (24, 32))
    """
    try:
        lengths = tuple(
            integer_of(name, length, least=1) for length in ((value,) * axes if is_integer(value) else value)
        )
    except (ArgumentError, TypeError):
        lengths = ()
    if len(lengths) != axes:
        expected = f"an integer of at least 1, or {axes} of them, one for each axis"
        raise ArgumentError(f"unusable {name}", where=where, expected=expected, found=quoted(value))
    return lengths


def indices_of(value: Any, count: int, *, masks: bool = False) -> NDArray[np.int64]:
    """A single index or a one-dimensional array of indices into ``count`` instances, as non-negative integers.

    The result has the same shape. Negative indices count from the end. With ``masks``, a boolean mask with one element
    per instance is accepted, too. Raises `FredIndexError` for an index out of range or a boolean mask of the wrong
    length, and `FredTypeError`, which is an `ArgumentError` and a ``TypeError``, for anything else.

    >>> indices_of([4, -1], 6), indices_of(np.uint8(3), 6)
    (array([4, 5]), array(3))
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind == "f" and not hasattr(value, "dtype"):  # floats, or a mix of int64 and uint64
            array = np.asarray(value, object)
        if array.dtype == object:  # integers of more than 64 bits, or of another library
            array = np.array([_index(one) for one in array.ravel()], object).reshape(array.shape)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        array = np.empty(1)
    if masks and array.dtype == bool and array.shape == (count,):
        return np.flatnonzero(array)
    if array.shape == (0,):
        array = array.astype(np.int64)
    known = f"{-count} to {count - 1}" + (f", or {count} booleans" if masks else "")
    if masks and array.dtype == bool and array.ndim == 1:
        raise FredIndexError("not one boolean per instance", expected=known, found=f"{len(array)} booleans")
    if array.ndim > 1 or array.dtype.kind not in "iuO":
        raise FredTypeError("unusable indices", expected=f"integers from {known}", found=quoted(value))
    outside = array[(array >= count) | (array < -count)]
    if outside.size:
        raise FredIndexError("no such instance", expected=known, found=outside.flat[0])
    rows = array.astype(np.int64)
    return np.where(rows < 0, rows + count, rows)


def _index(value: Any) -> int:
    """An integer, of another library perhaps, as Python's. Raises ``TypeError`` for booleans, too."""
    if isinstance(value, bool | np.bool_):
        raise TypeError("a boolean is no index")
    return operator.index(value)
