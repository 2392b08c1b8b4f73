"""Datasets of small colour images in their original files, which torchvision downloads, verifies and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import channel_normalization
from fredfmt.data.sources.download import download
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError


@dataclass(frozen=True)
class _Set:
    """The properties of one of these datasets."""

    torchvision: str
    """Name of the class in ``torchvision.datasets``."""
    files: str
    """The files that torchvision expects in its root."""
    url: str
    citation: str
    license: str | None = None


SETS: Mapping[str, _Set] = MappingProxyType(
    {
        "svhn": _Set(
            "SVHN",
            "train_32x32.mat and test_32x32.mat",
            "http://ufldl.stanford.edu/housenumbers/",
            "Y. Netzer et al.: Reading digits in natural images with unsupervised feature learning. 2011.",
            license="non-commercial use only",
        ),
        "cifar10": _Set(
            "CIFAR10",
            "the folder cifar-10-batches-py",
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            "A. Krizhevsky: Learning multiple layers of features from tiny images. 2009.",
        ),
        "cifar100": _Set(
            "CIFAR100",
            "the folder cifar-100-python",
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            "A. Krizhevsky: Learning multiple layers of features from tiny images. 2009.",
        ),
    }
)


def open_torchvision(request: Request) -> Source:
    """SVHN, CIFAR-10 or CIFAR-100, from the data root or downloaded.

    torchvision verifies the files by known checksums before it reads them.
    """
    chosen = SETS[request.name]
    hint = f"Get it from {chosen.url} and put {chosen.files} in the data root (--data-root)"
    train = _read(chosen, request.root, "train")
    if train is None:
        download(request, lambda folder: _fetch(chosen, folder), hint=hint)
        train = _read(chosen, request.root, "train")
    wanted = train if request.split == "train" else _read(chosen, request.root, request.split)
    if train is None or wanted is None:
        raise SourceError("the files are incomplete", where=str(request.root), expected=chosen.files, hint=hint)
    images, labels, classes = wanted
    request.check_shape(images.shape[2:])
    return Source(
        name=request.name,
        split=request.split,
        images=images,
        labels=labels,
        classes=classes,
        normalization=channel_normalization(train[0]),
        license=chosen.license,
        url=chosen.url,
        citation=chosen.citation,
    )


def _read(chosen: _Set, root: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]] | None:
    """Images, labels and class names; None if torchvision does not find the files, or their checksums differ."""
    try:
        found = _torchvision(chosen, root, split, download=False)
    except RuntimeError:
        return None
    if chosen.torchvision == "SVHN":
        return np.ascontiguousarray(found.data), found.labels, tuple("0123456789")
    images = np.ascontiguousarray(np.moveaxis(found.data, -1, 1))
    return images, np.array(found.targets, np.int64), tuple(found.classes)


def _fetch(chosen: _Set, folder: Path) -> None:
    for split in ("train", "test"):
        _torchvision(chosen, folder, split, download=True)


def _torchvision(chosen: _Set, root: Path, split: str, *, download: bool) -> Any:
    import torchvision.datasets

    kind = getattr(torchvision.datasets, chosen.torchvision)
    options = {"split": split} if chosen.torchvision == "SVHN" else {"train": split == "train"}
    try:
        return kind(root, download=download, **options)
    except ImportError as error:
        raise SourceError(
            f"{chosen.torchvision} needs a package that is not installed", found=error, hint="pip install scipy"
        ) from None
