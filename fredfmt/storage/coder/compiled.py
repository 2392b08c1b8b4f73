"""The compiled context coder (`_context.c`), available if the installation found a C compiler."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.storage.coder.failure import BadBytesError
from fredfmt.storage.coder.plain import PRICES
from fredfmt.storage.compiled import load_compiled

_FAILURES = {-2: "the content ends too early or too late", -3: "a value is out of range"}
_ARGUMENTS = (ctypes.c_void_p, *(ctypes.c_int64,) * 4, ctypes.c_void_p, ctypes.c_int64)
_FUNCTIONS = {
    "fredfmt_context_encode": (ctypes.c_int64, _ARGUMENTS),
    "fredfmt_context_decode": (ctypes.c_int64, _ARGUMENTS),
    "fredfmt_context_choose": (ctypes.c_int64, (*_ARGUMENTS[:6], ctypes.c_void_p, ctypes.c_int64)),
}
_PRICES = np.array(PRICES, np.int32)
LIBRARY = load_compiled("fredfmt.storage.coder._context", _FUNCTIONS)


def encode(values: NDArray[np.integer]) -> bytes:
    """The bytes of contiguous values (instance, channel, frequency)."""
    room = 2 * values.size + 64
    while True:
        content = np.empty(room, np.uint8)
        needed = _call("encode", values, content, content.size)
        if needed <= room:
            return content[:needed].tobytes()
        room = needed


def decode(content: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """The reverse of `encode`."""
    values, stored = np.empty(shape, dtype), np.frombuffer(content, np.uint8)
    _call("decode", values, stored, stored.size)
    return values


def choose(wanted: NDArray[np.int64], dtype: np.dtype[Any], worth: int) -> NDArray[Any]:
    """Integers for contiguous real numbers; see `fredfmt.storage.coder.plain.choose`."""
    values = np.empty(wanted.shape, dtype)
    _call("choose", values, wanted, _PRICES.ctypes.data, worth)
    return values


def _call(function: str, values: NDArray[Any], other: NDArray[Any], *more: int) -> int:
    """Call a C function for the values and another array, and return its result."""
    library: Any = LIBRARY.library
    call = getattr(library, f"fredfmt_context_{function}")
    kind = values.itemsize if values.dtype.kind == "u" else -values.itemsize
    result: int = call(values.ctypes.data, kind, *values.shape, other.ctypes.data, *more)
    if result == -1:
        raise MemoryError("there is no memory for the context coder's tables")
    if result < 0:
        raise BadBytesError(_FAILURES[result])
    return result
