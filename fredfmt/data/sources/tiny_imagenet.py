"""Tiny ImageNet: 200 classes of 500 images of 64x64 pixels, which the user unpacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fredfmt.data.sources.listing import Listing, list_classes, open_listing
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.data.sources.wordnet import named
from fredfmt.errors import SourceError, quoted

_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
_FOLDER = "tiny-imagenet-200"
_ANNOTATIONS = "val_annotations.txt"


def open_tiny_imagenet(request: Request) -> Source:
    """Tiny ImageNet under the data root; its labelled validation images are the test split.

    It reads the published layout (``val/val_annotations.txt``) and one with a folder per class in ``val``. Classes are
    named by the words in ``words.txt``, with their WordNet numbers as aliases; without that file they have the names of
    their folders, which are these numbers.
    """
    places = [request.root / _FOLDER, request.root]
    root = next((place for place in places if (place / "train").is_dir() and (place / "val").is_dir()), None)
    if root is None:
        raise SourceError(
            "not found, and it has no automatic download",
            where=request.name,
            expected=f"folders train and val in {places[0]}",
            hint=f"Get {_URL}, unpack it and pass the folder that holds {_FOLDER} as the data root (--data-root)",
        )
    return open_unpacked(request, root, name=request.name)


def is_tiny_imagenet(root: Path) -> bool:
    """Whether a folder has the published layout of Tiny ImageNet."""
    return (root / "train").is_dir() and (root / "val" / _ANNOTATIONS).is_file()


def open_unpacked(request: Request, root: Path, *, name: str) -> Source:
    """Tiny ImageNet in ``root``."""
    train = list_classes(root / "train")
    wanted = train if request.split == "train" else _validation(root / "val", train.classes)
    train, wanted = named(train, root), named(wanted, root)
    wanted.require(request.wanted(train.classes, train.aliases), root / request.split)
    return open_listing(
        request,
        train,
        train if request.split == "train" else wanted,
        name=name,
        url=_URL,
        citation="Y. Le, X. Yang: Tiny ImageNet visual recognition challenge. 2015.",
    )


def _validation(folder: Path, classes: tuple[str, ...]) -> Listing:
    annotations = folder / _ANNOTATIONS
    if not annotations.is_file():
        listing = list_classes(folder)
        if listing.classes != classes:
            raise SourceError(
                "the classes are not those of train", where=str(folder), expected=f"{len(classes)} classes"
            )
        return listing
    number = {name: label for label, name in enumerate(classes)}
    paths, labels = [], []
    for line, text in enumerate(annotations.read_text(encoding="utf-8").splitlines(), start=1):
        name, _, rest = text.partition("\t")
        wnid = rest.partition("\t")[0]
        if wnid not in number or Path(name).name != name:
            raise SourceError(
                "the line does not name a file and a class of train",
                where=f"{annotations}: line {line}",
                found=quoted(text[:80]),
            )
        paths.append(folder / "images" / name)
        labels.append(number[wnid])
    if not paths:
        raise SourceError("no images are listed", where=str(annotations))
    return Listing(tuple(paths), np.array(labels, np.int64), classes)
