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
_ARGUMENTS = (ctypes.c_void_p, *(ctypes.c_int64,) * 5, ctypes.c_void_p, ctypes.c_int64)
_FUNCTIONS = {
    "fredfmt_context_encode": (ctypes.c_int64, _ARGUMENTS),
    "fredfmt_context_decode": (ctypes.c_int64, _ARGUMENTS),
    "fredfmt_context_choose": (ctypes.c_int64, (*_ARGUMENTS[:6], ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
}
_PRICES = np.array(PRICES, np.int32)
LIBRARY = load_compiled("fredfmt.storage.coder._context", _FUNCTIONS)


def encode(values: NDArray[np.int64], least: int, most: int) -> bytes:
    """The bytes of contiguous values (instance, channel, frequency), each from ``least`` to ``most``."""
    room = 2 * values.size + 64
    while True:
        content = np.empty(room, np.uint8)
        needed = _call("encode", values, least, most, content)
        if needed <= room:
            return content[:needed].tobytes()
        room = needed


def decode(content: bytes, shape: tuple[int, int, int], least: int, most: int) -> NDArray[np.int64]:
    """The reverse of `encode`."""
    values = np.empty(shape, np.int64)
    _call("decode", values, least, most, np.frombuffer(content, np.uint8))
    return values


def choose(wanted: NDArray[np.int64], least: int, most: int, worth: int) -> NDArray[np.int64]:
    """Integers for contiguous real numbers; see `fredfmt.storage.coder.plain.choose`."""
    values = np.empty(wanted.shape, np.int64)
    _call("choose", values, least, most, wanted, _PRICES.ctypes.data, worth)
    return values


def _call(function: str, values: NDArray[np.int64], least: int, most: int, other: NDArray[Any], *more: int) -> int:
    """Call a C function for the values and another array, which it reads or writes, and return its result."""
    library: Any = LIBRARY.library
    call = getattr(library, f"fredfmt_context_{function}")
    result: int = call(values.ctypes.data, *values.shape, least, most, other.ctypes.data, *(more or (other.size,)))
    if result == -1:
        raise MemoryError("there is no memory for the context coder's tables")
    if result < 0:
        raise BadBytesError(_FAILURES[result])
    return result
