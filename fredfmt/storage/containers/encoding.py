"""Encodes a dataset as a container: written into a file, or as the files of a folder.

The profile *compact* gives the smallest file; *core* gives one that every Zarr reader opens.
"""

from __future__ import annotations

import io
from typing import IO, Literal

from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.data import FreDData
from fredfmt.storage.containers import archive, hdf5, hierarchy
from fredfmt.storage.containers.entries import EntryStore
from fredfmt.storage.containers.package import pack

Profile = Literal["compact", "core"]
PROFILES: tuple[Profile, ...] = ("compact", "core")


def write_archive(data: FreDData, stream: IO[bytes], profile: Profile | None = None) -> None:
    """Write a ``.fred`` file into an empty file. None: compact, except for arrays that would then be slow to decode."""
    compact = profile != "core"
    with EntryStore() as entries:
        hierarchy.encode(pack(data, compact=compact), entries, compact=compact, slow=profile == "compact")
        archive.write(entries, stream, compact=compact)


def write_hdf5(data: FreDData, stream: IO[bytes], profile: Profile | None = None) -> None:
    """Write a ``.fred.h5`` file, which has a single profile, into an empty file."""
    if profile is not None:
        raise ArgumentError("HDF5 files have no profiles", where="codec", expected="None", found=profile)
    hdf5.write(pack(data), stream)


def add_files(data: FreDData, entries: EntryStore, profile: Profile | None = None) -> None:
    """Add the files of a ``.fred.zarr`` folder by name. None: core."""
    compact = profile == "compact"
    hierarchy.encode(pack(data, compact=compact), entries, compact=compact, slow=True)


def as_archive(data: FreDData, profile: Profile | None = None) -> bytes:
    """The bytes of a ``.fred`` file."""
    stream = io.BytesIO()
    write_archive(data, stream, profile)
    return stream.getvalue()


def check_profile(profile: str | None) -> None:
    """Raise `ArgumentError` for an unknown profile."""
    if profile is not None and not (isinstance(profile, str) and profile in PROFILES):
        raise ArgumentError("unknown profile", where="codec", expected=" or ".join(PROFILES), found=quoted(profile))
