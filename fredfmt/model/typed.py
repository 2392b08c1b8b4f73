"""Readers of one JSON type each: they check a value from a document or a caller and return it in immutable form.

Lists may be tuples and objects any mapping, so reading a value again does not change it. All raise `FormatError` for
another type, and for values that JSON cannot represent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from fredfmt.errors import FormatError, quoted
from fredfmt.model.documents import canonical

Json: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise FormatError("not a string", found=_of_type(value), rule="FRED-113")
    canonical(value)
    return value


def integer(value: Any) -> int:
    """An integer; booleans are refused."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormatError("not an integer", found=quoted(value), rule="FRED-113")
    canonical(value)
    return value


def number(value: Any) -> float:
    """An integer or a float, as a float; it may be infinite."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FormatError("not a number", found=quoted(value), rule="FRED-113")
    try:
        return float(value)
    except OverflowError:
        raise FormatError("not a number that a float can hold", found=quoted(value), rule="FRED-113") from None


def finite(value: Any) -> float:
    """A number that is neither infinite nor NaN."""
    found = number(value)
    if not math.isfinite(found):
        raise FormatError("not a finite number", found=found, rule="FRED-113")
    return found


def several(one: Callable[[Any], T], value: Any) -> tuple[T, ...]:
    """A list whose elements are read by ``one``."""
    if not isinstance(value, list | tuple):
        raise FormatError("not a list", found=_of_type(value), rule="FRED-113")
    return tuple(map(one, value))


def mapping(value: Any) -> Json:
    """An object of JSON values, read-only.

    >>> mapping({"name": "digits", "seeds": [1, 2]})
    mappingproxy({'name': 'digits', 'seeds': (1, 2)})
    """
    if not isinstance(value, Mapping):
        raise FormatError("not an object", found=_of_type(value), rule="FRED-113")
    try:
        frozen: Json = _frozen(value)
    except RecursionError:
        raise FormatError("nested too deeply", rule="FRED-113") from None
    return frozen


def thawed(value: Any) -> Any:
    """Plain dicts and lists from the immutable ones of `mapping`."""
    if isinstance(value, Mapping):
        return {key: thawed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [thawed(part) for part in value]
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({text(key): _frozen(part) for key, part in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    canonical(value)
    return value


def _of_type(value: Any) -> str:
    shown = quoted(value)
    return f"{type(value).__name__} {shown}" if len(shown) <= 60 else type(value).__name__
