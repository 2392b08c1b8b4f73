"""Folders of image files: `Listing`, the files of one split with their classes, and the `Source` made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import Selected, channel_normalization
from fredfmt.data.sources.image_files import SUFFIXES, ImageFiles
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError

_MEASURED = 4096


@dataclass(frozen=True)
class Listing:
    """Image files in order, each with the number of its class."""

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def subset(self, indices: NDArray[np.intp]) -> Listing:
        """The files at ``indices``."""
        return Listing(tuple(self.paths[index] for index in indices), self.labels[indices], self.classes)


def list_classes(folder: Path) -> Listing:
    """The images of ``folder/<class>/``, at any depth below it, classes and files sorted by name.

    Other files and hidden ones are passed over. Raises `SourceError` if there is no class or one without images.
    """
    classes = class_folders(folder)
    if not classes:
        raise SourceError("no class folders", where=str(folder), expected="<class>/<image files>")
    paths: list[Path] = []
    labels: list[int] = []
    for label, place in enumerate(classes):
        files = sorted(path for path in place.rglob("*") if _is_image(path.relative_to(folder)) and path.is_file())
        if not files:
            raise SourceError(
                "a class has no images", where=str(place), expected=f"files {', '.join(sorted(SUFFIXES))}"
            )
        paths += files
        labels += [label] * len(files)
    return Listing(tuple(paths), np.array(labels, np.int64), tuple(place.name for place in classes))


def class_folders(folder: Path) -> list[Path]:
    """Folders in ``folder`` that are not hidden, sorted by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def open_listing(request: Request, train: Listing, wanted: Listing, **about: Any) -> Source:
    """A `Source` of the listing ``wanted``, decoded lazily.

    The normalisation is that of the train listing, measured on all of its images if they are at most 4096, else on
    that many evenly spread ones.
    """
    first_of_each = [train.paths[index] for index in np.unique(train.labels, return_index=True)[1]]
    files = ImageFiles(train.paths, size=request.size, samples=first_of_each)
    spread = np.unique(np.linspace(0, len(files) - 1, min(len(files), _MEASURED)).round().astype(np.intp))
    images = files if wanted is train else files.like(wanted.paths)
    return Source(
        split=request.split,
        images=images,
        labels=wanted.labels,
        classes=wanted.classes,
        normalization=channel_normalization(Selected(files, spread)),
        **about,
    )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)
