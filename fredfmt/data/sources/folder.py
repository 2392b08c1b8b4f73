"""``folder:PATH``: image files in one folder per class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fredfmt.data.sources.layout import Layout, class_folders, listed, split_layout, split_of
from fredfmt.data.sources.listing import Listing, list_classes, open_listing
from fredfmt.data.sources.notices import warn_of_omissions, warn_of_own_split
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.data.sources.splits import own_split
from fredfmt.data.sources.tiny_imagenet import is_tiny_imagenet, open_unpacked
from fredfmt.data.sources.wordnet import named
from fredfmt.errors import SourceError, located


def open_folder(request: Request) -> Source:
    """``PATH/train/<class>/*`` and ``PATH/test/<class>/*``, or ``PATH/<class>/*``, or Tiny ImageNet as published.

    Other common names of splits are recognised, such as ``Training``, ``tst`` or ``valid``; a test split is preferred
    to a validation split. Without either, a random fifth of every class is the test split, and a warning says so. See
    `fredfmt.data.sources.image_files.ImageFiles` for sizes, colour and transparency.
    """
    path = request.path
    if not path.is_dir():
        found = "a file" if path.exists() else None
        raise SourceError("no such folder", where=str(path), found=found, hint="Check the path")
    name = f"folder:{path.resolve().name}"
    if is_tiny_imagenet(path):
        return open_unpacked(request, path, name=name)
    layout = split_layout(path)
    if layout is None:
        everything = named(list_classes(path), path)
        wanted = request.wanted(everything.classes, everything.aliases)
        everything.require(wanted, path)
        with located(path):
            rest, rows, selection = own_split(everything.labels, request.split, wanted)
        warn_of_own_split(str(path), selection, _sibling(path))
        train = everything.subset(rest)
        chosen = train if request.split == "train" else everything.subset(rows)
        return open_listing(request, train, chosen, name=name, selection=selection)
    train = named(list_classes(layout.train), path)
    chosen = train if request.split == "train" else _test(path, layout, train)
    chosen.require(request.wanted(train.classes, train.aliases), layout.train if chosen is train else path)
    if layout.left_out:
        beside = {f"folders beside the splits: {listed(list(layout.left_out))}": len(layout.left_out)}
        warn_of_omissions(str(path), len(chosen.paths), beside)
        chosen = replace(chosen, left_out={**chosen.left_out, **beside})
    return open_listing(request, train, chosen, name=name)


def _test(path: Path, layout: Layout, train: Listing) -> Listing:
    if layout.test is None:
        raise SourceError(
            "no test images",
            where=str(path),
            expected=f"a folder test or val with class folders next to {layout.train.name}",
        )
    test = named(list_classes(layout.test), path)
    if test.classes != train.classes:
        raise SourceError(
            "train and test have different classes",
            where=str(layout.test),
            expected=f"those of {layout.train}",
            found=f"a difference in {listed(sorted(set(test.classes) ^ set(train.classes)))}",
        )
    return test


def _sibling(path: Path) -> str:
    """A hint about the test split next to a folder that is named as a train split."""
    place = path.resolve()
    tests = [
        one.name for one in class_folders(place.parent) if split_of(one.name, whole=True) in ("test", "validation")
    ]
    if split_of(place.name, whole=True) != "train" or not tests:
        return ""
    return f"; {listed(tests)} next to it is not read: give folder:{place.parent} to use it"
