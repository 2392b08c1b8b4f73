"""Soft labels that are multiples of one fraction as integers: a probability is an integer divided by the row's sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError
from fredfmt.model.blocks import blocks

WHOLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""The sums that a row may have; each probability is then exact in float16."""


def of(labels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """float16 (instance, class) probabilities as integers; None if they are not such multiples, or of another dtype.

    >>> of(np.array([[0.5, 0.5, 0], [0.25, 0, 0.75]], np.float16)).tolist()
    [[2, 2, 0], [1, 0, 3]]
    """
    if labels.ndim != 2 or labels.dtype != np.float16:
        return None
    rows = list(blocks(len(labels), 16 * labels.shape[1]))
    for whole in WHOLES:
        if all(_sum_to(labels[some] * np.float16(whole), whole) for some in rows):
            return np.concatenate([(labels[some] * np.float16(whole)).astype(np.uint8) for some in rows])
    return None


def _sum_to(parts: NDArray[np.float16], whole: int) -> bool:
    """Whether all are integers, and each row of them sums to ``whole``."""
    return bool((parts == np.rint(parts)).all() and (parts.sum(axis=1, dtype=np.float64) == whole).all())


def back(parts: NDArray[np.uint8]) -> NDArray[np.float16]:
    """The probabilities (instance, class) float16 of integers. Raises `FormatError` if rows have another sum."""
    labels = np.empty(parts.shape, np.float16)
    whole = int(parts[:1].sum(dtype=np.int64))
    for some in blocks(len(parts), 16 * parts.shape[1]):
        sums = parts[some].sum(axis=1, dtype=np.int64)
        if whole not in WHOLES or (sums != whole).any():
            raise FormatError(
                "the integers do not represent probabilities",
                expected="the same sum in every row, a power of two up to 128",
                found=f"sums of {sums.min()} to {sums.max()}",
                rule="FRED-213",
            )
        np.divide(parts[some], np.float16(whole), out=labels[some])
    return labels
