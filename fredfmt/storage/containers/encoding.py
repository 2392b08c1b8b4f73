"""A data set in, the bytes of a container out.

A profile names how: *compact* for the file to share, *core* for one that every Zarr reader opens.
"""

from __future__ import annotations

from typing import Literal

from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData
from fredfmt.storage.containers import archive, hdf5, hierarchy
from fredfmt.storage.containers.package import pack

Profile = Literal["compact", "core"]
PROFILES: tuple[Profile, ...] = ("compact", "core")


def as_archive(data: FreDData, profile: Profile | None = None) -> bytes:
    """The bytes of a ``.fred`` file. None: compact, but for arrays that would take long to decode."""
    compact = profile != "core"
    entries = hierarchy.encode(pack(data, compact=compact), compact=compact, slow=profile == "compact")
    return archive.pack(entries, compact=compact)


def as_folder(data: FreDData, profile: Profile | None = None) -> dict[str, bytes]:
    """The files of a ``.fred.zarr`` folder by name. None: core."""
    compact = profile == "compact"
    return hierarchy.encode(pack(data, compact=compact), compact=compact, slow=True)


def as_hdf5(data: FreDData, profile: Profile | None = None) -> bytes:
    """The bytes of a ``.fred.h5`` file, which has one profile alone."""
    if profile is not None:
        raise ArgumentError("HDF5 files have no profiles", where="codec", expected="None", found=profile)
    return hdf5.encode(pack(data))


def check_profile(profile: str | None) -> None:
    """Raise `ArgumentError` for what is no profile."""
    if profile is not None and profile not in PROFILES:
        raise ArgumentError("unknown profile", where="codec", expected=" or ".join(PROFILES), found=profile)
