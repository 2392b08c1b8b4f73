"""Imagenette: ten easy classes of ImageNet, as image files of many sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fredfmt.data.sources.download import download
from fredfmt.data.sources.listing import Listing, list_classes, open_listing
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError

_URL = "https://github.com/fastai/imagenette"
_ARCHIVES = {160: ("160px", "imagenette2-160"), 320: ("320px", "imagenette2-320"), 1 << 16: ("full", "imagenette2")}
"""By the largest requested side for which each is used: torchvision's name of the archive, and its folder."""
CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}


def open_imagenette(request: Request) -> Source:
    """Imagenette under the data root, or downloaded; its labelled validation images are the test split.

    A size is required. It selects one of the published archives, whose images have shorter sides of 160 or 320 pixels,
    or their original size.
    """
    if request.size is None:
        raise SourceError("images differ in size", where=request.name, hint="Choose a size (--size), for example 128")
    serving = [names for side, names in _ARCHIVES.items() if max(request.size) <= side]
    root = _find(request.root, serving)
    if root is None:
        wanted, folder = serving[0]
        hint = f"Get {folder} from {_URL} and unpack it in the data root (--data-root)"
        download(request, lambda place: _fetch(wanted, place), hint=hint)
        root = _find(request.root, serving)
        if root is None:
            raise SourceError("the download is incomplete", where=str(request.root), hint=hint)
    train = _named(list_classes(root / "train"), root)
    test = train if request.split == "train" else _named(list_classes(root / "val"), root)
    test.require(request.wanted(train.classes, train.aliases), root)
    return open_listing(request, train, test, name=request.name, url=_URL, citation="J. Howard: Imagenette. 2019.")


def _find(root: Path, serving: list[tuple[str, str]]) -> Path | None:
    folders = [root / folder for _, folder in serving]
    return next((folder for folder in folders if (folder / "train").is_dir() and (folder / "val").is_dir()), None)


def _named(listing: Listing, root: Path) -> Listing:
    if listing.classes != tuple(CLASSES):
        raise SourceError(
            "the classes are not those of Imagenette", where=str(root), expected=list(CLASSES), found=listing.classes
        )
    return replace(listing, classes=tuple(CLASSES.values()), aliases=listing.classes)


def _fetch(archive: str, folder: Path) -> None:
    import torchvision.datasets

    torchvision.datasets.Imagenette(folder, size=archive, download=True)
