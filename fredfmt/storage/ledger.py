"""Where the bytes of a file go; the total is the size of the file itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fredfmt.model.data import FreDData
from fredfmt.storage.containers import archive, hierarchy
from fredfmt.storage.containers.package import pack


@dataclass(frozen=True)
class Ledger:
    """Bytes of a ``.fred`` file by what they hold, and the size of the same in other units."""

    coefficients: int
    frequencies: int
    labels: int
    """Labels, and which instance uses which mask where that differs."""
    base: int
    metadata: int
    """The metadata document."""
    container: int
    """ZIP headers and the documents that describe the arrays."""
    classes: int
    scalars_per_class: float
    """Stored coefficients a class, over channels: the unit of the paper's budget."""
    scalars_per_image: int
    """Values of one decoded image."""
    instances: int
    memory: int
    """Bytes of the loaded `FreDData`."""

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return self.coefficients + self.frequencies + self.labels + self.base + self.metadata + self.container

    @property
    def bits_per_class(self) -> float:
        """Bits of the whole file a class."""
        return 8 * self.total / self.classes

    @property
    def ipc(self) -> float:
        """Images a class that hold as many scalars as the coefficients do (FreD's budget)."""
        return self.scalars_per_class / self.scalars_per_image

    @property
    def instances_per_class(self) -> float:
        """Decoded images a class."""
        return self.instances / self.classes


def ledger(data: FreDData) -> Ledger:
    """The ledger of the ``.fred`` file that `fredfmt.save` writes for ``data``, to the byte."""
    entries = hierarchy.encode(pack(data))
    held = dict.fromkeys(("coefficients", "frequencies", "labels", "mask_of", "base"), 0)
    for name, content in entries.items():
        owner, _, rest = name.partition("/")
        if rest.startswith("c/"):
            held[owner] += len(content)
    metadata = len(entries[hierarchy.ROOT])
    classes = len(data.metadata.classes)
    image = data.metadata.channels
    for length in data.metadata.spatial_shape:
        image *= length
    return Ledger(
        coefficients=held["coefficients"],
        frequencies=held["frequencies"],
        labels=held["labels"] + held["mask_of"],
        base=held["base"],
        metadata=metadata,
        container=len(archive.pack(entries)) - sum(held.values()) - metadata,
        classes=classes,
        scalars_per_class=data.coefficients.size / classes,
        scalars_per_image=image,
        instances=len(data),
        memory=data.nbytes,
    )


def without_results(data: FreDData) -> FreDData:
    """The same data without recorded results, whose bytes are no part of what networks are trained on."""
    return replace(data, metadata=replace(data.metadata, results=()))
