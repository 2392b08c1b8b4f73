"""A data set in, the bytes of a container out.

`.fred` is compact: it is the file to share. `.fred.zarr` has the core profile, which every Zarr reader opens.
"""

from __future__ import annotations

from fredfmt.model.data import FreDData
from fredfmt.storage.containers import archive, hdf5, hierarchy
from fredfmt.storage.containers.package import pack


def as_archive(data: FreDData) -> bytes:
    """The bytes of a ``.fred`` file."""
    return archive.pack(hierarchy.encode(pack(data, compact=True), compact=True), compact=True)


def as_folder(data: FreDData) -> dict[str, bytes]:
    """The files of a ``.fred.zarr`` folder by name."""
    return hierarchy.encode(pack(data))


def as_hdf5(data: FreDData) -> bytes:
    """The bytes of a ``.fred.h5`` file."""
    return hdf5.encode(pack(data))
