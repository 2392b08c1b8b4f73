"""The context coder: stores small integers in few bytes, by an adaptive binary range coder.

An array has the axes (instance, channel, frequency). Each value is predicted from the mean of earlier instances and
from the previous channel. The difference is coded bit by bit. The probability of each bit adapts to the size of earlier
differences at the same frequency, at the previous frequencies and in the other channels. All arithmetic is in integers,
so every machine and language gives the same bytes; the specification gives each step. There are three implementations:
`_context.c`, which `fredfmt.storage.coder.compiled` calls; `fredfmt.storage.coder.plain`, in Python; and the
specification's reader.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, FormatError
from fredfmt.storage.coder import compiled, plain
from fredfmt.storage.coder.failure import BadBytesError

NAME = "fredfmt.context"
"""The name of the coder as a codec of Zarr."""

LARGEST_ROW = 1 << 22
"""The largest number of values per instance: the coder keeps a state for each."""

WORTH_OF_A_BIT = 2 * math.log(2) / 12
"""The squared error, in squared steps, that one bit may save: the slope of error against rate of a fine quantiser."""

DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
"""The dtypes that it can encode."""

_SECONDS_PER_VALUE = 2.5e-5
SLOW = 200_000
"""The number of values above which the coder in Python logs a warning."""
_log = logging.getLogger(__name__)


def encode(values: NDArray[np.integer]) -> bytes:
    """The bytes of an array of integers.

    Parameters
    ----------
    values
        int8, int16, int32, uint8, uint16 or uint32. The first axis counts as instances, the last as frequencies and
        those between as channels; a single axis counts as instances.

    Raises
    ------
    ArgumentError
        For another dtype, or more than `LARGEST_ROW` values per instance.

    Examples
    --------
    >>> encode(np.array([[3, -1, 0, 0], [2, -1, 0, 0]], np.int16)).hex()
    '2add0a'
    >>> len(encode(np.zeros((1000, 3, 64), np.int16)))
    16
    """
    rows = _layout(values.dtype, values.shape)
    values = np.require(values, values.dtype.newbyteorder("="), ["C", "A"]).reshape(rows)
    if compiled.LIBRARY:
        return compiled.encode(values)
    _warn_if_slow(values.size)
    return plain.encode(values)


def decode(content: bytes | memoryview, dtype: np.dtype[Any] | type, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of ``dtype`` and ``shape`` that `encode` stored in ``content``.

    Only the bytes that `encode` writes for an array are accepted, so no two contents give the same array. Nothing
    beyond ``content`` is read.

    Raises
    ------
    FormatError
        If the bytes do not encode such an array (rule FRED-506).
    ArgumentError
        As `encode`.

    Examples
    --------
    >>> decode(encode(np.array([[5, 5, 6]], np.uint8)), np.uint8, (1, 3))
    array([[5, 5, 6]], dtype=uint8)
    >>> decode(b"no such", np.uint8, (1, 3))
    Traceback (most recent call last):
    fredfmt.errors.FormatError: ...
    """
    dtype = np.dtype(dtype)
    rows = _layout(dtype, shape)
    if not compiled.LIBRARY:
        _warn_if_slow(math.prod(shape))
    decoder = compiled.decode if compiled.LIBRARY else plain.decode
    try:
        return decoder(content, dtype.newbyteorder("="), rows).astype(dtype, copy=False).reshape(shape)
    except BadBytesError as error:
        raise FormatError(
            f"the bytes do not encode such an array: {error}",
            expected=f"context-coded {dtype.name} {shape}",
            found=f"{len(content)} bytes",
            hint="Get the file again from its source",
            rule="FRED-506",
        ) from None


def choose(scaled: NDArray[np.floating[Any]], dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Round real numbers to integers by squared error and bits together (rate-distortion optimised rounding).

    In coding order, each number becomes the integer below or above it, whichever has the lower sum of its squared error
    and `WORTH_OF_A_BIT` times the bits that `encode` uses for it. Integers stay unchanged. Numbers are first rounded to
    multiples of 1/256.

    Parameters
    ----------
    scaled
        Real numbers in units of the step, with axes as in `encode`.
    dtype
        The integer dtype of the result, as in `encode`. Numbers beyond its range are clipped to it.

    Examples
    --------
    >>> choose(np.array([[3.4, 0.55], [3.4, 0.55], [3.0, -0.55], [3.4, 0.9]]), np.int16).tolist()
    [[3, 0], [3, 0], [3, 0], [3, 1]]
    """
    dtype = np.dtype(dtype)
    rows, limits = _layout(dtype, scaled.shape), np.iinfo(dtype)
    wanted = np.rint(scaled.astype(np.float64) * 256).clip(256 * int(limits.min), 256 * int(limits.max))
    wanted = np.ascontiguousarray(wanted, np.int64).reshape(rows)
    if not compiled.LIBRARY:
        _warn_if_slow(3 * wanted.size)
    chooser = compiled.choose if compiled.LIBRARY else plain.choose
    chosen = chooser(wanted, dtype.newbyteorder("="), round(WORTH_OF_A_BIT * 65536))
    return chosen.astype(dtype, copy=False).reshape(scaled.shape)


def _layout(dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape as (instance, channel, frequency)."""
    if dtype.name not in DTYPES:
        raise ArgumentError("the context coder cannot store this dtype", expected=", ".join(DTYPES), found=dtype.name)
    first, last = (*shape[:1], 1)[0], shape[-1] if len(shape) > 1 else 1
    rows = first, math.prod(shape[1:-1]), last
    if rows[1] * rows[2] > LARGEST_ROW:
        raise ArgumentError("too many values per instance", expected=f"at most {LARGEST_ROW}", found=rows[1] * rows[2])
    return rows


def _warn_if_slow(size: int) -> None:
    if size > SLOW:
        _log.warning(
            "the context coder in Python will take about %.0f s for %s values: %s",
            *(size * _SECONDS_PER_VALUE, size, compiled.LIBRARY.absence),
        )
