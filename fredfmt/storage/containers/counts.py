"""Sorted labels or masks of instances as counts: how often each value occurs, in place of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError

FIELD = "counts"
"""The field of the metadata document that holds the counts."""
COUNTED = ("labels", "mask_of")
"""The arrays that counts may replace."""
LARGEST = 4096
"""The largest number of counts that is written, as readers limit the size of a document."""


def of(array: NDArray[Any], length: int) -> list[int] | None:
    """How often each value below ``length`` occurs in a sorted array of integers; None for any other array, and if
    ``length`` is above `LARGEST`.

    >>> of(np.array([0, 0, 2]), 3), of(np.array([1, 0]), 2)
    ([2, 0, 1], None)
    """
    if array.ndim != 1 or length > LARGEST or (array[1:] < array[:-1]).any():
        return None
    counted: list[int] = np.bincount(array, minlength=length).tolist()
    return counted


def back(counted: list[int]) -> NDArray[Any]:
    """The sorted array with these counts, (instance,) unsigned integers."""
    return np.repeat(np.arange(len(counted), dtype=np.min_scalar_type(len(counted) - 1)), counted)


def check(counted: list[int], length: int | None, instances: int) -> None:
    """Raise `FormatError` unless there are ``length`` counts (None: any number) and they add up to the number of
    instances."""
    if length is not None and len(counted) != length:
        raise FormatError("wrong number of counts", expected=length, found=len(counted), rule="FRED-212")
    if sum(counted) != instances:
        raise FormatError(
            "the counts do not add up to the number of instances",
            expected=instances,
            found=sum(counted),
            rule="FRED-212",
        )
