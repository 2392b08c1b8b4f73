"""Folders of image files: `Listing`, the files of one split with their classes, and the `Source` made from it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.data.sources.coded import Files
from fredfmt.data.sources.image_files import OF_SEVERAL, SUFFIXES, count_frames, open_images
from fredfmt.data.sources.layout import class_folders
from fredfmt.data.sources.notices import warn_of_omissions
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError, quoted


@dataclass(frozen=True)
class Listing:
    """Image files in order, each with its class number."""

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Other content of the folders, which is not read, with the number of each kind."""
    aliases: tuple[str, ...] = ()
    """Other names of the classes, such as WordNet numbers; see `Source.aliases`."""

    def subset(self, indices: NDArray[np.intp]) -> Listing:
        """The files at ``indices``."""
        return replace(self, paths=tuple(self.paths[index] for index in indices), labels=self.labels[indices])

    def require(self, numbers: Sequence[int], where: Path) -> None:
        """Raise `SourceError` if one of these classes has no images."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        for number in numbers:
            if counts[number] == 0:
                raise SourceError(
                    "a class has no images",
                    where=str(where / (self.aliases or self.classes)[number]),
                    expected=f"files {', '.join(sorted(SUFFIXES))}",
                    hint="Remove the folder, or exclude the class (--classes)",
                )


def list_classes(folder: Path) -> Listing:
    """The images of ``folder/<class>/``, at any depth and through links, with classes and files sorted by name.

    Other files are counted by kind and reported in one warning. Raises `SourceError` if there is no class, or if the
    name of one is not valid text.
    """
    places = class_folders(folder)
    if not places:
        raise SourceError("no class folders", where=str(folder), expected="<class>/<image files>")
    paths: list[Path] = []
    labels: list[int] = []
    left_out: Counter[str] = Counter()
    for path in folder.iterdir():
        if not path.is_dir():
            image = path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
            left_out["images beside the class folders" if image else _kind(path)] += 1
    for label, place in enumerate(places):
        try:
            place.name.encode()
        except UnicodeEncodeError:
            raise SourceError(
                "the name of a class folder is not UTF-8", where=str(folder), found=quoted(os.fsencode(place.name))
            ) from None
        files = _images_below(place, left_out)
        paths += files
        labels += [label] * len(files)
    for path in paths:
        if path.suffix.lower() in OF_SEVERAL:
            with suppress(SourceError):  # the error is raised if the image is decoded
                left_out["further pages or frames of a file"] += count_frames(path) - 1
    left_out = +left_out
    warn_of_omissions(str(folder), len(paths), left_out)
    return Listing(tuple(paths), np.array(labels, np.int64), tuple(place.name for place in places), dict(left_out))


def open_listing(request: Request, train: Listing, wanted: Listing, **about: Any) -> Source:
    """A `Source` of the listing ``wanted``, decoded lazily, with the normalisation of the train listing."""
    files = Files(train.paths)
    chosen = files if wanted is train else Files(wanted.paths)
    images, normalization = open_images(request, files, train.labels, chosen)
    return Source(
        split=request.split,
        images=images,
        labels=wanted.labels,
        classes=wanted.classes,
        aliases=wanted.aliases,
        left_out=wanted.left_out,
        normalization=normalization,
        **about,
    )


def _images_below(folder: Path, left_out: Counter[str]) -> list[Path]:
    """Image files at any depth, sorted; each folder is read once, even if several links lead to it."""
    found: list[Path] = []
    entered = {os.path.realpath(above) for above in folder.resolve().parents}
    pending = [folder]
    while pending:
        place = pending.pop()
        if (real := os.path.realpath(place)) in entered:
            left_out["links to folders that are read already"] += 1
            continue
        entered.add(real)
        for path in place.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                pending.append(path)
            elif path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
                found.append(path)
            else:
                left_out[_kind(path)] += 1
    return sorted(found)


def _kind(path: Path) -> str:
    """The kind of a path that is not an image file, for a message."""
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink() and not path.exists():
        return "broken links"
    if not path.is_file():
        return "neither files nor folders"
    return f"files {path.suffix.lower()}" if path.suffix else "files without a suffix"
