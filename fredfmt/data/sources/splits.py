"""Stratified random choices of indices by label, the same for the same seed on every machine."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, SourceError, quoted
from fredfmt.model.arguments import integer_of, is_number

Labels = NDArray[np.integer[Any]]
Indices = NDArray[np.intp]

_OWN_FRACTION = 0.2
_PER_CLASS = "number of images per class"


def hold_out(
    labels: Labels,
    fraction: float,
    seed: int,
    *,
    needed: Collection[int] | None = None,
    least: int = 0,
    names: Sequence[str] | None = None,
) -> tuple[Indices, Indices]:
    """The indices (rest, held out), both ascending: ``fraction`` of every class is held out, rounded, but at least one
    image on each side. Classes with fewer than ``least`` images stay with the rest.

    Raises `ArgumentError` for a fraction that is not between 0 and 1, or for a class of a single image, with its name.
    If such a class is not in ``needed``, its image stays with the rest.
    """
    if not is_number(fraction) or not 0 < fraction < 1:
        raise ArgumentError("unusable held-out fraction", expected="between 0 and 1", found=quoted(fraction))
    held = np.zeros(len(labels), dtype=bool)
    for label, members in _shuffled_classes(labels, seed, "hold out"):
        if len(members) < least or (len(members) < 2 and needed is not None and label not in needed):
            continue
        if len(members) < 2:
            raise ArgumentError(
                "a class with a single image cannot be split", where=_class(label, names), expected="at least 2"
            )
        held[members[: min(max(round(fraction * len(members)), 1), len(members) - 1)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def own_split(labels: Labels, split: str, needed: Collection[int] | None = None) -> tuple[Indices, Indices, str]:
    """For images published without splits: a fixed random fifth of every class is the test split.

    Returns the indices of the train split, those of ``split``, and a description of the choice. Raises `SourceError`
    for a class in ``needed`` (None: all) with a single image.
    """
    try:
        rest, held_out = hold_out(labels, _OWN_FRACTION, 0, needed=needed)
    except ArgumentError as error:
        raise SourceError(
            error.what,
            where=error.where,
            expected=error.expected,
            hint="Add images, or your own test split, or exclude the class (--classes)",
        ) from None
    left, held = words(_OWN_FRACTION, 0)
    return (rest, rest, left) if split == "train" else (rest, held_out, held)


def words(fraction: float, seed: int) -> tuple[str, str]:
    """Descriptions of how `hold_out` chose the rest and the held-out images."""
    share = f"a random {fraction * 100:.4g} % of every class, seed {seed}"
    return f"without {share}", share


def draw(labels: Labels, per_class: int | Sequence[int], seed: int, *, names: Sequence[str] | None = None) -> Indices:
    """The indices of ``per_class`` random images of every class without repeats, class by class; a sequence gives a
    number for each class.

    Raises `ArgumentError` for a single number below 1, a class with fewer images, or a negative seed.
    """
    if not isinstance(per_class, list | tuple):
        per_class = integer_of(_PER_CLASS, per_class, least=1)
    elif len(per_class) <= labels.max():
        raise ArgumentError("too few numbers of images per class", expected=int(labels.max()) + 1, found=len(per_class))
    chosen = []
    for label, members in _shuffled_classes(labels, seed, "draw"):
        count = per_class if isinstance(per_class, int) else integer_of(_PER_CLASS, per_class[label], least=0)
        if len(members) < count:
            raise ArgumentError(
                "a class has too few images",
                where=_class(label, names),
                expected=count,
                found=len(members),
                hint="Use fewer images per class (a smaller budget or a larger k), or exclude the class",
            )
        chosen.append(members[:count])
    return np.concatenate(chosen)


def _class(label: int, names: Sequence[str] | None) -> str:
    return f"class {label if names is None else names[label]}"


def _shuffled_classes(labels: Labels, seed: int, purpose: str) -> list[tuple[int, Indices]]:
    """Each class that has images, with their indices in random order."""
    seed = integer_of("seed", seed, least=0)
    classes = []
    for label in np.unique(labels):
        generator = np.random.default_rng([seed, zlib.crc32(purpose.encode()), int(label)])
        classes.append((int(label), generator.permutation(np.flatnonzero(labels == label))))
    return classes
