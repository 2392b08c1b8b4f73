"""``folder:PATH``: image files in a folder a class."""

from __future__ import annotations

from pathlib import Path

from fredfmt.data.sources.listing import Listing, class_folders, list_classes, open_listing
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.data.sources.splits import own_split
from fredfmt.errors import SourceError, located


def open_folder(request: Request) -> Source:
    """``PATH/train/<class>/*`` with ``PATH/test`` or ``PATH/val`` beside it, or ``PATH/<class>/*``.

    In the second layout a fifth of every class, drawn at random, is the test split. Images are decoded when they are
    asked for; see `fredfmt.data.sources.image_files.ImageFiles` for sizes and colour.
    """
    path = request.path
    if not path.is_dir():
        raise SourceError("no such folder", where=str(path), hint="Check the path")
    selection = None
    if class_folders(path / "train"):
        train = list_classes(path / "train")
        wanted = train if request.split == "train" else _test(path, train)
    else:
        everything = list_classes(path)
        with located(path):
            rest, rows, selection = own_split(everything.labels, request.split)
        train = everything.subset(rest)
        wanted = train if request.split == "train" else everything.subset(rows)
    return open_listing(request, train, wanted, name=f"folder:{path.resolve().name}", selection=selection)


def _test(path: Path, train: Listing) -> Listing:
    place = next((path / name for name in ("test", "val") if (path / name).is_dir()), None)
    if place is None:
        raise SourceError("no test images", where=str(path), expected="a folder test or val beside train")
    test = list_classes(place)
    if test.classes != train.classes:
        raise SourceError(
            "train and test have different classes",
            where=str(place),
            expected=f"those of {path / 'train'}",
            found=f"a difference in {sorted(set(test.classes) ^ set(train.classes))}",
        )
    return test
