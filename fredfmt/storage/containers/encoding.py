"""Encodes a data set as the bytes of a container.

The profile *compact* gives the smallest file; *core* gives one that every Zarr reader opens.
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
    """The bytes of a ``.fred`` file. None: compact, except for arrays that would then be slow to decode."""
    compact = profile != "core"
    entries = hierarchy.encode(pack(data, compact=compact), compact=compact, slow=profile == "compact")
    return archive.pack(entries, compact=compact)


def as_folder(data: FreDData, profile: Profile | None = None) -> dict[str, bytes]:
    """The files of a ``.fred.zarr`` folder by name. None: core."""
    compact = profile == "compact"
    return hierarchy.encode(pack(data, compact=compact), compact=compact, slow=True)


def as_hdf5(data: FreDData, profile: Profile | None = None) -> bytes:
    """The bytes of a ``.fred.h5`` file, which has a single profile."""
    if profile is not None:
        raise ArgumentError("HDF5 files have no profiles", where="codec", expected="None", found=profile)
    return hdf5.encode(pack(data))


def check_profile(profile: str | None) -> None:
    """Raise `ArgumentError` for an unknown profile."""
    if profile is not None and profile not in PROFILES:
        raise ArgumentError("unknown profile", where="codec", expected=" or ".join(PROFILES), found=profile)
