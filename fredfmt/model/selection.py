"""Some of the classes of a data set: names or numbers in, the instances that belong to them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, brief, quoted
from fredfmt.model.data import FreDData, hard_labels

Classes = Sequence[str | int]
_NAMED = 12
"""Classes that a message names."""
_DIGITS = 20
"""Of any number of a class."""


def class_numbers(
    which: Classes, classes: Sequence[str], *, aliases: Sequence[str] = (), where: str = "classes"
) -> list[int]:
    """The numbers of classes given by name, another name (``aliases``) or number, in the order given; names win.

    Raises `ArgumentError` for a class that is not there, one twice, or none at all.
    """
    try:
        wanted = [which] if isinstance(which, str) else list(which)
    except TypeError:
        raise ArgumentError(
            "classes are not a list",
            where=where,
            expected=f"names or numbers, as [{quoted(which)}]",
            found=quoted(which),
        ) from None
    numbers = []
    for one in wanted:
        spelled = one if isinstance(one, str) else brief(one)
        if spelled in classes:
            numbers.append(list(classes).index(spelled))
        elif spelled in aliases:
            numbers.append(list(aliases).index(spelled))
        elif spelled.isdecimal() and len(spelled) < _DIGITS and int(spelled) < len(classes):
            numbers.append(int(spelled))
        else:
            known = ", ".join(classes[:_NAMED]) + (" ..." if len(classes) > _NAMED else "")
            raise ArgumentError("no such class", where=where, expected=known, found=quoted(one))
    if not numbers or len(set(numbers)) < len(numbers):
        raise ArgumentError("classes must be there and differ", where=where, found=quoted(wanted))
    return numbers


def rows_of(labels: NDArray[Any], numbers: Sequence[int]) -> NDArray[np.intp]:
    """The instances of some classes, ascending; where labels are soft, those whose likeliest class it is.

    Raises `ArgumentError` if there are none.
    """
    rows = np.flatnonzero(np.isin(hard_labels(labels), numbers))
    if not len(rows):
        raise ArgumentError("no instance is of these classes", where="classes", found=list(numbers))
    return rows


def of_classes(data: FreDData, which: Classes) -> FreDData:
    """The instances of some classes alone. Labels keep their numbers, and classes and masks stay as they are."""
    rows = rows_of(data.labels, class_numbers(which, data.metadata.classes))
    per_instance = {name: getattr(data, name)[rows] for name in PER_INSTANCE}
    return replace(data, **per_instance)


PER_INSTANCE = ("coefficients", "labels", "mask_of")
"""The arrays with a row for each instance."""
