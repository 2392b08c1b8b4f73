"""Chunks compressed with the context coder: the fewest bytes, for arrays of up to a few million integers.

Zarr opens such arrays if fredfmt is installed. Coefficients are stored as signed integers, without zigzag mapping.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError
from fredfmt.storage.coder import LARGEST_ROW, NAME
from fredfmt.storage.coder import decode as decode_chunk
from fredfmt.storage.containers.declared import DTYPES, StoredArray
from fredfmt.storage.containers.zigzag import ZIGZAG, unzigzag

QUICK = 1 << 22
"""The largest number of values for which this codec is the default: they decode in a few tenths of a second, and
with Blosc take up to twice as many bytes."""


def dtypes(name: str) -> tuple[str, ...]:
    kind = "int" if name in ZIGZAG else "uint"
    return tuple(dtype for dtype in DTYPES[name] if dtype.startswith(kind))


def documents(dtype: np.dtype[Any], axes: int) -> list[dict[str, Any]]:
    return [{"name": NAME}, {"name": "crc32c"}]


def decode(body: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if (row := math.prod(shape[1:])) > LARGEST_ROW:
        raise FormatError("too many values per row", expected=f"at most {LARGEST_ROW}", found=row, rule="FRED-506")
    return decode_chunk(body, dtype, shape)


def suited(name: str, stored: StoredArray) -> StoredArray | None:
    """A stored array in the dtype of this codec; None if the codec cannot store it."""
    if stored.dtype.kind != "u" or math.prod(stored.shape[1:]) > LARGEST_ROW:
        return None
    return stored.mapped("i", unzigzag) if name in ZIGZAG else stored
