"""What the bytes of a file are used for; the total is the size of the file."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO

from fredfmt.model.arguments import positive_of
from fredfmt.model.data import ARRAYS, FreDData
from fredfmt.storage.addresses import is_address
from fredfmt.storage.containers import archive, hdf5
from fredfmt.storage.containers.encoding import as_archive
from fredfmt.storage.containers.names import ROOT
from fredfmt.storage.fetching import fetch_verified

_METADATA = "metadata"


def bytes_of(bits_per_class: float, classes: int) -> int:
    """The size in bytes of a file with this number of bits per class. Raises `ArgumentError` unless that is finite.

    >>> bytes_of(2048.5, 3)
    768
    """
    return int(Fraction(positive_of("bits per class", bits_per_class)) * classes / 8)


@dataclass(frozen=True)
class Ledger:
    """Bytes of a file by content, and the size of the dataset in other units.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(data := fredfmt.encode(images, [0, 0, 1, 1], k=24), "pets.fred")
    >>> entries = fredfmt.ledger(data, file="pets.fred")
    >>> entries.ipc, entries.instances_per_class
    (0.5, 2.0)
    >>> import os
    >>> entries.total == os.path.getsize("pets.fred")
    True
    """

    coefficients: int
    frequencies: int
    labels: int
    """Labels, and the mask of each instance if stored; 0 if the metadata hold their counts."""
    base: int
    metadata: int
    """The metadata document and the documents that describe the arrays, as stored (deflated in a compact file)."""
    container: int
    """Headers and directories of the container."""
    classes: int
    scalars_per_class: float
    """Stored coefficients per class, of all channels: the unit of the paper's budget."""
    scalars_per_image: int
    """Values of one decoded image, of all channels."""
    instances: int
    memory: int
    """Bytes of the loaded `FreDData` in memory."""

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return self.coefficients + self.frequencies + self.labels + self.base + self.metadata + self.container

    @property
    def bits_per_class(self) -> float:
        """Bits of the whole file per class."""
        return 8 * self.total / self.classes

    @property
    def ipc(self) -> float:
        """Images per class that hold as many scalars as the coefficients do (FreD's budget)."""
        return self.scalars_per_class / self.scalars_per_image

    @property
    def instances_per_class(self) -> float:
        """Decoded images per class."""
        return self.instances / self.classes


def ledger(data: FreDData, *, file: str | os.PathLike[str] | None = None) -> Ledger:
    """What the bytes of a dataset are used for.

    Parameters
    ----------
    data
        The dataset.
    file
        The file that it was loaded from, in any container: a path or an address. The sizes are read from it. None: the
        exact sizes in the ``.fred`` file that `fredfmt.save` would write.

    >>> import numpy as np, fredfmt
    >>> images = np.linspace(0, 1, 4 * 6 * 5, dtype=np.float32).reshape(4, 1, 6, 5)
    >>> account = fredfmt.ledger(fredfmt.encode(images, [0, 0, 1, 1], k=7, step=0.25))
    >>> account.labels, account.instances_per_class, round(account.ipc, 2)
    (0, 2.0, 0.47)
    """
    sizes, total = _sizes_in(io.BytesIO(as_archive(data))) if file is None else _sizes_of(file)
    held = dict.fromkeys((*ARRAYS, _METADATA), 0)
    for name, size in sizes.items():
        held[_METADATA if name.endswith(ROOT) else name.split("/")[0]] += size
    classes = len(data.metadata.classes)
    image = data.metadata.channels
    for length in data.metadata.spatial_shape:
        image *= length
    return Ledger(
        coefficients=held["coefficients"],
        frequencies=held["frequencies"],
        labels=held["labels"] + held["mask_of"],
        base=held["base"],
        metadata=held["metadata"],
        container=total - sum(held.values()),
        classes=classes,
        scalars_per_class=data.coefficients.size / classes,
        scalars_per_image=image,
        instances=len(data),
        memory=data.nbytes,
    )


def without_results(data: FreDData) -> FreDData:
    """The same data without recorded results, which networks are not trained on and a budget does not count."""
    return replace(data, metadata=replace(data.metadata, results=()))


def stored_size(file: str | os.PathLike[str]) -> int:
    """Bytes of a file, or of all files of a ``.fred.zarr`` folder, at a path."""
    path = Path(file)
    return path.stat().st_size if path.is_file() else sum(_sizes_of(path)[0].values())


def _sizes_of(file: str | os.PathLike[str]) -> tuple[dict[str, int], int]:
    """The stored bytes of each part of a valid file, by the part's name, and the size of the whole file."""
    if isinstance(file, str) and is_address(file):
        return _sizes_in(io.BytesIO(fetch_verified(file)[0]))
    path = Path(file)
    if path.is_dir():
        sizes = {part.relative_to(path).as_posix(): part.stat().st_size for part in path.rglob("*") if part.is_file()}
        return sizes, sum(sizes.values())
    with open(path, "rb") as stream:
        return _sizes_in(stream)


def _sizes_in(stream: IO[bytes]) -> tuple[dict[str, int], int]:
    total = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if stream.read(len(hdf5.MAGIC)) == hdf5.MAGIC:
        return hdf5.stored_sizes(stream), total

    def read(first: int, last: int) -> bytes:
        stream.seek(first)
        return stream.read(last - first)

    return archive.Parts(read, total).stored_sizes, total
