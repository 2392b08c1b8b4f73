"""Soft labels that are multiples of one fraction, as integers: a probability is the integer over the row's sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError

WHOLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""What a row may sum to; a probability is then exact in float16."""


def of(labels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """float16 (instance, class) probabilities as integers; None where they are no such multiples, or of another dtype.

    >>> of(np.array([[0.5, 0.5, 0], [0.25, 0, 0.75]], np.float16)).tolist()
    [[2, 2, 0], [1, 0, 3]]
    """
    if labels.ndim != 2 or labels.dtype != np.float16:
        return None
    for whole in WHOLES:
        parts = labels.astype(np.float64) * whole
        if (parts == np.rint(parts)).all() and (parts.sum(axis=1) == whole).all():
            return parts.astype(np.uint8)
    return None


def back(parts: NDArray[np.uint8]) -> NDArray[np.float16]:
    """The probabilities of integers, (instance, class) float16. Raises `FormatError` for rows of another sum."""
    sums = parts.sum(axis=1, dtype=np.int64)
    whole = int(sums[0])
    if whole not in WHOLES or (sums != whole).any():
        raise FormatError(
            "integers that are no probabilities",
            expected="every row the same sum, a power of two up to 128",
            found=f"sums of {sums.min()} to {sums.max()}",
            rule="FRED-213",
        )
    return (parts / np.float16(whole)).astype(np.float16)
