"""MNIST and the datasets in its layout: four IDX files, often gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import channel_normalization
from fredfmt.data.sources.download import download
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError

DEBIAN = Path("/usr/share/datasets")
_PREFIX = {"train": "train", "test": "t10k"}
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_BEST_RATIO = 1032


@dataclass(frozen=True)
class _Family:
    """The properties of one dataset of this layout."""

    torchvision: str
    """Name of the class in ``torchvision.datasets``, and of the folder to which it downloads."""
    classes: tuple[str, ...]
    license: str
    url: str
    citation: str


FAMILIES: Mapping[str, _Family] = MappingProxyType(
    {
        "mnist": _Family(
            "MNIST",
            tuple("0123456789"),
            "CC-BY-SA-3.0",
            "http://yann.lecun.com/exdb/mnist/",
            "Y. LeCun et al.: Gradient-based learning applied to document recognition. 1998.",
        ),
        "fashion-mnist": _Family(
            "FashionMNIST",
            (
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            "MIT",
            "https://github.com/zalandoresearch/fashion-mnist",
            "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST. arXiv:1708.07747, 2017.",
        ),
        "kmnist": _Family(
            "KMNIST",
            ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            "CC-BY-SA-4.0",
            "http://codh.rois.ac.jp/kmnist/",
            "T. Clanuwat et al.: Deep learning for classical Japanese literature. arXiv:1812.01718, 2018.",
        ),
    }
)


def open_idx(request: Request) -> Source:
    """MNIST, Fashion-MNIST or KMNIST, from the data root, from Debian's package, or downloaded.

    The four files may be in the data root, in a folder with the name of the source, or where torchvision puts them.
    """
    family = FAMILIES[request.name]
    root = request.root
    places = [root / family.torchvision / "raw", root / request.name, root, DEBIAN / request.name]
    found = next(filter(None, map(_files, places)), None)
    if found is None:
        hint = f"Put the four idx files of {family.url} in a folder and pass it as the data root (--data-root)"
        if request.name == "fashion-mnist":
            hint = f"On Debian: apt install dataset-fashion-mnist. {hint}"
        download(request, lambda folder: _fetch(family, folder), hint=hint)
        found = _files(places[0])
        if found is None:
            raise SourceError("the download is incomplete", where=str(places[0]), hint=hint)
    train = _images(found["train"][0])
    images = train if request.split == "train" else _images(found["test"][0])
    request.check_shape(images.shape[2:])
    labels = read_idx(found[request.split][1])
    if labels.shape != images.shape[:1]:
        raise SourceError(
            "not one label per image",
            where=str(found[request.split][1]),
            expected=images.shape[:1],
            found=labels.shape,
        )
    return Source(
        name=request.name,
        split=request.split,
        images=images,
        labels=labels.astype(np.int64),
        classes=family.classes,
        normalization=channel_normalization(train),
        license=family.license,
        url=family.url,
        citation=family.citation,
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The unsigned bytes of one IDX file, gzipped or not, in the shape that it declares.

    Raises `SourceError`, naming the file, if it is damaged, holds another type, or is shorter or longer than declared.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
                raise SourceError("not an IDX file of unsigned bytes", expected="00 00 08 and 1 to 4 axes", found=magic)
            header = stream.read(4 * magic[3])
            shape = tuple(int(length) for length in np.frombuffer(header[: len(header) // 4 * 4], ">u4"))
            size = math.prod(shape)
            if len(shape) < magic[3] or size > path.stat().st_size * (_GZIP_BEST_RATIO if packed else 1):
                raise SourceError("the file is truncated", expected=f"{shape} bytes")
            content = stream.read(size + 1)
    except SourceError as error:
        error.where = str(path)
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError("cannot be read", where=str(path), found=error, hint="Get the file again") from None
    if len(content) != size:
        raise SourceError(
            "the file is truncated" if len(content) < size else "the file is longer than its header declares",
            where=str(path),
            expected=f"{size} bytes",
            found=len(content) if len(content) < size else "more",
            hint="Get the file again",
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _images(path: Path) -> NDArray[np.uint8]:
    images = read_idx(path)
    if images.ndim != 3 or 0 in images.shape:
        raise SourceError("not images", where=str(path), expected="(N, height, width)", found=images.shape)
    return images[:, None]


def _files(folder: Path) -> dict[str, tuple[Path, Path]] | None:
    """(images, labels) of each split, if all four files are in ``folder``."""
    found = {}
    for split, prefix in _PREFIX.items():
        pair = [
            next(
                (
                    path
                    for ending in (f"{stem}-ubyte.gz", f"{stem}-ubyte")
                    for separator in "-."
                    if (path := folder / f"{prefix}-{kind}{separator}{ending}").is_file()
                ),
                None,
            )
            for kind, stem in (("images", "idx3"), ("labels", "idx1"))
        ]
        if pair[0] is None or pair[1] is None:
            return None
        found[split] = (pair[0], pair[1])
    return found


def _fetch(family: _Family, folder: Path) -> None:
    import torchvision.datasets

    getattr(torchvision.datasets, family.torchvision)(folder, download=True)
