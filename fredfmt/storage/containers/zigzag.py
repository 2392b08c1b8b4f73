"""Zigzag mapping: signed integers to unsigned ones, ordered by magnitude, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.blocks import blocks

ZIGZAG = ("coefficients", "base")
"""The arrays that are zigzag-mapped if they are integers."""


def zigzag(values: NDArray[Any]) -> NDArray[Any]:
    """Signed to unsigned integers of the same width: 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ..."""
    mapped = np.empty(values.shape, f"u{values.dtype.itemsize}")
    flat, into, bits = values.reshape(-1), mapped.reshape(-1), values.dtype.itemsize * 8
    for some in blocks(flat.size, values.dtype.itemsize):
        into[some] = ((flat[some] << 1) ^ (flat[some] >> (bits - 1))).view(mapped.dtype)
    return mapped


def unzigzag(values: NDArray[Any]) -> NDArray[Any]:
    """The reverse of `zigzag`, in the same memory: the unsigned integers are lost."""
    flat = values.reshape(-1)
    mapped = flat.view(f"i{values.dtype.itemsize}")
    for some in blocks(flat.size, values.dtype.itemsize):
        part = flat[some]
        mapped[some] = (part >> 1).view(mapped.dtype) ^ -(part & 1).view(mapped.dtype)
    return mapped.reshape(values.shape)
