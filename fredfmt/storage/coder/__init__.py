"""The context coder: small integers to few bytes and back, by an adaptive binary range coder.

An array is taken as (instance, channel, frequency). Each value is guessed from the mean of earlier instances and from
the channel before, and the difference is coded bit by bit, each under probabilities that adapt to how large differences
were at the same place, at the frequencies before and in the other channels. Integer arithmetic alone, so every machine
and language gives the same bytes; the specification says it step by step. The same coder three times: `_context.c`,
which `fredfmt.storage.coder.compiled` calls; `fredfmt.storage.coder.plain`, in Python; and the specification's reader.
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
"""The coder's name among the codecs of Zarr."""

LARGEST_ROW = 1 << 22
"""The most values of one instance: the coder remembers something about each."""

WORTH_OF_A_BIT = 2 * math.log(2) / 12
"""In squares of the step of a uniform quantiser: the slope of its error against its rate where the step is fine."""

DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
"""Of the arrays that it takes."""

_SECONDS_PER_VALUE = 2.5e-5
_SLOW = 200_000
_log = logging.getLogger(__name__)


def encode(values: NDArray[np.integer]) -> bytes:
    """The bytes of an array of integers.

    Parameters
    ----------
    values
        int8, int16, int32 or the same unsigned, with any axes: the first is taken as instances, the last as frequencies
        and those between as channels; one axis is instances alone.

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
    rows, least, most = _layout(values.dtype, values.shape)
    wide = np.ascontiguousarray(values, np.int64).reshape(rows)
    if compiled.LIBRARY:
        return compiled.encode(wide, least, most)
    _warn_if_slow(values.size)
    return plain.encode(wide, least, most)


def decode(content: bytes, dtype: np.dtype[Any] | type, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of ``dtype`` and ``shape`` that `encode` made ``content`` of.

    No byte beyond ``content`` is read, and no other content gives the same array: whatever `encode` would not have
    written is refused.

    Raises
    ------
    FormatError
        If the bytes are not of such an array (rule FRED-506).
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
    rows, least, most = _layout(dtype, shape)
    if not compiled.LIBRARY:
        _warn_if_slow(math.prod(shape))
    decoder = compiled.decode if compiled.LIBRARY else plain.decode
    try:
        return decoder(content, rows, least, most).astype(dtype).reshape(shape)
    except BadBytesError as error:
        raise FormatError(
            f"not the bytes of such an array: {error}",
            expected=f"context-coded {dtype.name} {shape}",
            found=f"{len(content)} bytes",
            hint="Get the file again from where you had it",
            rule="FRED-506",
        ) from None


def choose(scaled: NDArray[np.floating[Any]], dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Integers for real numbers by error and bits together, the bits being those that `encode` takes at that place.

    Each number becomes the integer below or above it, whichever has less squared error and `WORTH_OF_A_BIT` times its
    bits, in the order in which they are coded. Numbers are taken to 1/256, so those that are integers stay as they are.

    Parameters
    ----------
    scaled
        Real numbers of any axes, taken as `encode` takes them, in units of the step.
    dtype
        Of the result, as for `encode`. Numbers beyond its range become its limits.

    Examples
    --------
    >>> choose(np.array([[3.4, 0.55], [3.4, 0.55], [3.0, -0.55], [3.4, 0.9]]), np.int16).tolist()
    [[3, 0], [3, 0], [3, 0], [3, 1]]
    """
    rows, least, most = _layout(np.dtype(dtype), scaled.shape)
    wanted = np.rint(scaled.astype(np.float64) * 256).clip(256 * least, 256 * most)
    wanted = np.ascontiguousarray(wanted, np.int64).reshape(rows)
    if not compiled.LIBRARY:
        _warn_if_slow(3 * wanted.size)
    chooser = compiled.choose if compiled.LIBRARY else plain.choose
    return chooser(wanted, least, most, round(WORTH_OF_A_BIT * 65536)).astype(dtype).reshape(scaled.shape)


def _layout(dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[tuple[int, int, int], int, int]:
    """The shape as (instance, channel, frequency), and the least and greatest value."""
    if dtype.name not in DTYPES:
        raise ArgumentError("the context coder is for integers", expected=", ".join(DTYPES), found=dtype.name)
    first, last = (*shape[:1], 1)[0], shape[-1] if len(shape) > 1 else 1
    rows = first, math.prod(shape[1:-1]), last
    if rows[1] * rows[2] > LARGEST_ROW:
        raise ArgumentError("too many values per instance", expected=f"at most {LARGEST_ROW}", found=rows[1] * rows[2])
    limits = np.iinfo(dtype)
    return rows, int(limits.min), int(limits.max)


def _warn_if_slow(size: int) -> None:
    if size > _SLOW:
        _log.warning(
            "%s values through the context coder in Python will take about %.0f s: %s",
            *(size, size * _SECONDS_PER_VALUE, compiled.LIBRARY.absence),
        )
