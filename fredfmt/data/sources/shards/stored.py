"""`Stored`, one split in shards with its labels as written, and the `Source` made from it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.data.sources.coded import Chosen, Coded
from fredfmt.data.sources.image_files import open_images
from fredfmt.data.sources.layout import listed
from fredfmt.data.sources.notices import warn_of_omissions, warn_of_own_split
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.shards.address import Address
from fredfmt.data.sources.shards.paths import find_shards
from fredfmt.data.sources.source import Source
from fredfmt.data.sources.splits import own_split
from fredfmt.errors import SourceError, located, quoted
from fredfmt.model.selection import spelled


@dataclass(frozen=True)
class Stored:
    """The coded images of one split, and their labels."""

    coded: Coded
    values: NDArray[np.int64]
    """(N,) class numbers, or positions in ``words``."""
    words: tuple[str, ...] | None = None
    """The different labels if they are text, else None."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Names of classes by number, if the shards hold them."""
    left_out: Mapping[str, int] = field(default_factory=dict)


def open_shards(
    request: Request,
    address: Address,
    prefix: str,
    suffix: str,
    read: Callable[[tuple[Path, ...], Mapping[str, str], Mapping[str, int]], Stored],
) -> Source:
    """Open the files with this suffix at an address. ``read`` reads one split from its paths, the options of the
    address and the counts of other files."""
    shards = find_shards(address.where, suffix, address.options.get("test"))

    def split(paths: tuple[Path, ...]) -> Stored:
        return read(paths, address.options, shards.left_out)

    name = address.named(prefix, Path(address.where).name)
    return open_stored(request, name, split(shards.train), (lambda: split(shards.test)) if shards.test else None)


def open_stored(
    request: Request,
    name: str,
    train: Stored,
    test: Callable[[], Stored] | None,
    *,
    selection: str | None = None,
    **about: Any,
) -> Source:
    """The requested split as a `Source`; the test split is read only if requested. Without a test split (None) a random
    fifth of every class is held out, and a warning says so. ``selection`` describes an earlier choice of images. Raises
    `SourceError` for labels that are not classes, and for a requested class without images.
    """
    with located(name):
        classes = _classes(train)
        named = bool(train.names)
        train_coded, train_labels = train.coded, _numbers(train, classes, named)
        wanted = request.wanted(classes)
        chosen = train if test is None or request.split == "train" else test()
        for number in chosen.names.keys() & train.names.keys():
            if chosen.names[number] != train.names[number]:
                raise SourceError(
                    "a class has different names in train and test",
                    where=f"class {number}",
                    expected=train.names[number],
                    found=chosen.names[number],
                )
        coded, labels = chosen.coded, train_labels if chosen is train else _numbers(chosen, classes, named)
        _require_images(labels, wanted, classes)
        if test is None:
            rest, rows, held = own_split(train_labels, request.split, wanted)
            warn_of_own_split(name, held)
            selection = f"{selection}; {held}" if selection else held
            train_coded, train_labels = Chosen(train.coded, rest), train_labels[rest]
            coded, labels = (train_coded if request.split == "train" else Chosen(train.coded, rows)), labels[rows]
        images, normalization = open_images(request, train_coded, train_labels, coded)
    warn_of_omissions(name, len(labels), chosen.left_out)
    return Source(
        name=name,
        split=request.split,
        images=images,
        labels=labels,
        classes=classes,
        left_out=chosen.left_out,
        normalization=normalization,
        selection=selection,
        **about,
    )


def _classes(train: Stored) -> tuple[str, ...]:
    """The names in the shards, or the different labels in order."""
    if not len(train.values):
        raise SourceError(
            "no images",
            expected="at least one in the train split",
            found=", ".join(f"{what} ({count:,})" for what, count in train.left_out.items()),
        )
    names, count = train.names, len(train.names)
    if train.words is not None and not names:
        return tuple(sorted(train.words))
    if not names or max(names) >= count:  # unlabelled images are -1
        count = int(train.values.max()) + 1
    if count > max(len(train.values) + 1, len(names)):
        raise SourceError(
            "labels are not class numbers",
            where=train.coded.place(int(train.values.argmax())),
            expected=f"at most {len(train.values)} for this number of images",
            found=count - 1,
        )
    if not names:  # numbers need not begin at 0, or be without gaps
        return tuple(map(str, np.unique(train.values[train.values >= 0]).tolist()))
    classes = tuple(names.get(number, str(number)) for number in range(count))
    if len(set(classes)) < count:
        twice = next(name for index, name in enumerate(classes) if name in classes[:index])
        raise SourceError("two classes have the same name", found=quoted(twice))
    return classes


def _numbers(stored: Stored, classes: tuple[str, ...], named: bool) -> NDArray[np.int64]:
    """The labels as positions in ``classes``, whose numbers are their names if they are not ``named``."""
    numbers, words = stored.values, stored.words
    if words is None and not named:
        different, numbers = np.unique(numbers, return_inverse=True)
        words = tuple(map(str, different.tolist()))
    if words is not None:
        place = {name: number for number, name in enumerate(classes)}
        numbers = np.array([place.get(word, -1) for word in words], np.int64)[numbers]
    wrong = np.flatnonzero((numbers < 0) | (numbers >= len(classes)))
    if len(wrong):
        row = int(wrong[0])
        found = stored.words[stored.values[row]] if stored.words is not None else int(stored.values[row])
        raise SourceError(
            "a label is not a class" if found != -1 else "an image has no label",
            where=stored.coded.place(row),
            expected=f"one of {len(classes)} classes" if words else f"0 to {len(classes) - 1}",
            found=quoted(found),
            hint="" if found != -1 else "-1 marks splits whose labels are not published: choose another (#test=...)",
        )
    return numbers


def _require_images(labels: NDArray[np.int64], wanted: list[int], classes: tuple[str, ...]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    without = [classes[number] for number in wanted if counts[number] == 0]
    if without:
        names = [classes[number] for number in wanted if counts[number]]
        raise SourceError(
            "a class has no images" if len(without) == 1 else f"{len(without):,} classes have no images",
            where=f"class {listed(without)}",
            hint=f"Select the others: --classes {shlex.quote(spelled(names))}",
        )
