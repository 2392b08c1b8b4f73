"""Selects classes by name or number, and the instances that belong to them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, brief, quoted
from fredfmt.model.arguments import several_of
from fredfmt.model.data import FreDData, hard_labels

Classes = Sequence[str | int]
_NAMED = 12
"""The largest number of classes that a message lists."""
_DIGITS = 20
"""An upper bound for the digits of a class number."""


def class_numbers(
    which: Classes, classes: Sequence[str], *, aliases: Sequence[str] = (), where: str = "classes"
) -> list[int]:
    """The numbers of classes that are given by name, alias or number, in the given order. Names take precedence.

    Raises `ArgumentError` for an unknown class, a repeated class, or none at all.
    """
    listed = [which] if isinstance(which, str) else which
    wanted = several_of("classes", listed, expected="a list of names or numbers")
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
        raise ArgumentError("no class, or the same class twice", where=where, found=quoted(wanted))
    return numbers


def spelled(names: Sequence[str]) -> str:
    """Names of classes as ``--classes`` takes them.

    >>> spelled(["cat", "bee, wild"])
    'cat,"bee, wild"'
    """
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(names)
    return row.getvalue()


def rows_of(labels: NDArray[Any], numbers: Sequence[int]) -> NDArray[np.intp]:
    """Indices of the instances of some classes, ascending. For soft labels the most probable class counts.

    Raises `ArgumentError` if there are none.
    """
    rows = np.flatnonzero(np.isin(hard_labels(labels), numbers))
    if not len(rows):
        raise ArgumentError("no instance belongs to these classes", where="classes", found=list(numbers))
    return rows


def of_classes(data: FreDData, which: Classes) -> FreDData:
    """The dataset of the instances of some classes. Labels keep their numbers; classes and masks do not change."""
    rows = rows_of(data.labels, class_numbers(which, data.metadata.classes))
    per_instance = {name: getattr(data, name)[rows] for name in PER_INSTANCE}
    return replace(data, **per_instance)


PER_INSTANCE = ("coefficients", "labels", "mask_of")
"""The arrays with one row per instance."""
