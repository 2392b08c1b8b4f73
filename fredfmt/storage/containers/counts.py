"""Labels and masks of instances that are sorted: how many there are of each value, in place of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError

FIELD = "counts"
"""The field of the metadata document."""
COUNTED = ("labels", "mask_of")
"""The arrays that may be left out for it."""
LARGEST = 4096
"""Counts that are worth their place in a document, which readers limit."""


def of(array: NDArray[Any], length: int) -> list[int] | None:
    """How often each value below ``length`` occurs in a sorted array; None for one that is not sorted integers,
    and for more than `LARGEST` values.

    >>> of(np.array([0, 0, 2]), 3), of(np.array([1, 0]), 2)
    ([2, 0, 1], None)
    """
    if array.ndim != 1 or length > LARGEST or (array[1:] < array[:-1]).any():
        return None
    counted: list[int] = np.bincount(array, minlength=length).tolist()
    return counted


def back(counted: list[int]) -> NDArray[Any]:
    """The sorted array of these counts, (instance,) unsigned integers."""
    return np.repeat(np.arange(len(counted), dtype=np.min_scalar_type(len(counted) - 1)), counted)


def check(counted: list[int], length: int | None, instances: int) -> None:
    """Raise `FormatError` unless there are ``length`` counts (None: unknown) and they add up to the instances."""
    if length is not None and len(counted) != length:
        raise FormatError("wrong number of counts", expected=length, found=len(counted), rule="FRED-212")
    if sum(counted) != instances:
        raise FormatError(
            "the counts do not add up to the instances", expected=instances, found=sum(counted), rule="FRED-212"
        )
