"""Writes JSON documents in the canonical form of RFC 8785 (JCS), and reads them strictly."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np

from fredfmt.errors import FormatError, LimitError, quoted
from fredfmt.model import limits as limits_

LARGEST_INTEGER = 2**53 - 1
_ESCAPE, _STRING = re.compile(rb"\\.", re.DOTALL), re.compile(rb'"[^"]*"')
_NESTING = np.zeros(256, np.int64)
_NESTING[list(b"[{")], _NESTING[list(b"]}")] = 1, -1


def canonical(value: Any) -> bytes:
    """Serialise ``value`` by RFC 8785: sorted keys, no white space, the shortest numbers, UTF-8.

    Raises `FormatError` for values that JSON cannot represent: NaN, infinities, integers beyond 2**53 - 1, lone
    surrogates, other types.

    >>> canonical({"b": 1.0, "a": [True, None, 1e-7]})
    b'{"a":[true,null,1e-7],"b":1}'
    """
    try:
        return _text(value).encode()
    except UnicodeEncodeError as error:
        raise FormatError("a string that cannot be encoded in UTF-8", found=quoted(error.object[error.start])) from None


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise FormatError("an integer is too large for JSON", expected="at most 2**53 - 1", found=value)
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise FormatError("an object has a key that is not a string", found=list(value))
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(key)}:{_text(value[key])}" for key in keys) + "}"
    raise FormatError("metadata can only hold JSON values", found=type(value).__name__)


def _number(value: float) -> str:
    """The shortest text that reads back as ``value``, written as ECMAScript writes numbers (RFC 8785, 3.2.2.3)."""
    if not math.isfinite(value):
        raise FormatError("JSON has no NaN and no infinity", found=value)
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(float(abs(value))).partition("e")  # the repr of numpy.float64 differs
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        body = digits.ljust(point, "0")
        return sign + (f"{body[:point]}.{body[point:]}" if len(body) > point else body)
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def parse(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> Any:
    """Read one canonical JSON document, within the limits of a metadata document.

    Raises `LimitError` if it is too long or nested too deeply, and `FormatError` if it is not valid JSON, repeats a
    key, contains NaN or infinity, or is not in canonical form.

    >>> parse(b'{"k":49,"step":0.5}')
    {'k': 49, 'step': 0.5}
    """
    limits_.check(len(content), limits.json_bytes, "a JSON document", name="json_bytes")
    limits_.check(_depth(content), limits.json_depth, "the nesting of a JSON document", name="json_depth")
    try:
        value = json.loads(content.decode("utf-8"), parse_int=_integer)
        same = canonical(value) == content
    except LimitError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError("not a valid JSON document", found=str(error), rule="FRED-101") from None
    if not same:
        raise FormatError(
            "a JSON document is not in canonical form",
            expected="RFC 8785: sorted keys, no white space, no repeated keys, the shortest numbers",
            rule="FRED-101",
        )
    return value


def parse_node(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> Any:
    """As `parse`, for a document of a Zarr hierarchy, which may contain a metadata document and may therefore be
    larger."""
    wider = replace(limits, json_bytes=limits.json_bytes + limits_.ROOM, json_depth=limits.json_depth + limits_.LEVELS)
    return parse(content, limits=wider)


def check_document(document: Any, *, limits: limits_.Limits = limits_.DEFAULT) -> None:
    """Raise `LimitError` if a metadata document exceeds the limits, whichever container stores it, and `FormatError`
    for values that JSON cannot represent."""
    content = canonical(document)
    limits_.check(len(content), limits.json_bytes, "the metadata document", name="json_bytes")
    limits_.check(_depth(content), limits.json_depth, "the nesting of the metadata document", name="json_depth")


def difference(found: Any, expected: Any, at: str = "") -> tuple[str, Any, Any] | None:
    """The first place where two JSON values differ, with both values there; None if they are the same document.

    Unlike ``==`` this distinguishes True from 1, and an absent field from one that is null (both are shown as None).

    >>> difference({"a": {"b": True}}, {"a": {"b": 1}})
    ('a.b', True, 1)
    """
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            place = f"{at}.{key}" if at else key
            if (key in found) != (key in expected):
                return place, found.get(key), expected.get(key)
            if (deeper := difference(found[key], expected[key], place)) is not None:
                return deeper
        return None
    return None if canonical(found) == canonical(expected) else (at, found, expected)


def _integer(text: str) -> int | float:
    """An integer, or the nearest float if it is too large for JSON."""
    value = int(text)
    return value if abs(value) <= LARGEST_INTEGER else float(text)


def _depth(content: bytes) -> int:
    """The deepest nesting of brackets outside strings, in time linear in the document."""
    outside = _STRING.sub(b"", _ESCAPE.sub(b"", content))
    return int(np.cumsum(_NESTING[np.frombuffer(outside, np.uint8)]).max(initial=0))
