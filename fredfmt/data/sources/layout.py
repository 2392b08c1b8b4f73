"""The layout of folders of images: which folders are splits and which are classes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from fredfmt.errors import SourceError

_TRAIN = frozenset({"train", "training", "trn", "trainset"})
_TEST = frozenset({"test", "testing", "tst", "testset"})
_VALIDATION = frozenset({"val", "valid", "validation", "valset", "dev", "eval", "evaluation", "holdout"})
_FILLING = frozenset({"set", "data", "dataset", "split", "image", "images", "img", "imgs"})
_NAMED = 12
"""The largest number of names in a message."""


@dataclass(frozen=True)
class Layout:
    """The folders of one dataset."""

    train: Path
    """The train split: a folder with one folder per class."""
    test: Path | None
    """The same for the test split; None if there is none."""
    left_out: tuple[str, ...]
    """Names of the other folders, which are not read."""


def split_of(name: str, *, whole: bool) -> str | None:
    """``train``, ``test`` or ``validation`` if a folder's name means this split, else None.

    With ``whole`` the whole name must mean it, otherwise any word in it.

    >>> split_of("Training", whole=True), split_of("seg_test", whole=False), split_of("steam train", whole=True)
    ('train', 'test', None)
    """
    words = set(re.findall("[a-z]+", name.lower()))
    for split, known in (("train", _TRAIN), ("test", _TEST), ("validation", _VALIDATION)):
        if words & known and (not whole or words <= known | _FILLING):
            return split
    return None


def split_layout(path: Path) -> Layout | None:
    """The splits of ``PATH/<split>/<class>/``, or None for ``PATH/<class>/``.

    A folder whose name means a split is one if it holds folders. Raises `SourceError` if such folders hold images
    directly, are one level too deep, or mean the same split twice.
    """
    folders = class_folders(path)
    flat = {split_of(folder.name, whole=True) for folder in folders if not class_folders(folder)} - {None}
    meaning = {folder: split_of(folder.name, whole=False) for folder in folders if class_folders(folder)}
    named = [folder for folder, split in meaning.items() if split]
    trains = [folder for folder in named if meaning[folder] == "train"]
    if not trains:
        if len(flat) > 1 or (flat and len(folders) == 1):
            raise SourceError(
                "folders named as splits contain no class folders",
                where=str(path),
                expected="<split>/<class>/<image files>",
                found=listed([folder.name for folder in folders]),
                hint="Put the images of each class into a separate folder",
            )
        if named and len(named) == len(folders):
            raise SourceError("no train images", where=str(path), expected="a folder train", found=names_of(folders))
        _check_classes(path, folders)
        return None
    if len(trains) > 1:
        raise SourceError(
            "several folders are named as the train split", where=str(path), expected="one", found=names_of(trains)
        )
    tests = [
        folder for split in ("test", "validation") for folder in named if split_of(folder.name, whole=False) == split
    ]
    test = tests[0] if tests else None
    return Layout(trains[0], test, tuple(folder.name for folder in folders if folder not in (trains[0], test)))


def class_folders(folder: Path) -> list[Path]:
    """The folders in ``folder`` that are not hidden, including links to folders, sorted by name; none if it is not a
    folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def listed(names: list[str]) -> str:
    """Names for a message: the first few, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(os.fsencode(name).decode(errors="backslashreplace") for name in names[:_NAMED]) + more


def names_of(folders: list[Path]) -> str:
    """The names of folders for a message."""
    return listed([folder.name for folder in folders])


def _check_classes(path: Path, classes: list[Path]) -> None:
    """Raise `SourceError` for a class folder that holds splits."""
    for folder in classes:
        inside = class_folders(folder)
        splits = {split_of(one.name, whole=True) for one in inside} - {None}
        if len(splits) > 1 or (splits and len(inside) == 1):
            raise SourceError(
                "a class folder holds folders named as splits",
                where=str(folder),
                expected=f"class folders in {path}, or <split>/<class>/<image files>",
                found=names_of(inside),
                hint=f"Give folder:{folder}" if len(classes) == 1 else "Put the splits above the classes",
            )
