"""Limits that a reader checks before it allocates memory for a file."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fredfmt.errors import LimitError
from fredfmt.model.arguments import integer_of


@dataclass(frozen=True, repr=False)
class Limits:
    """The largest sizes that a reader accepts. Pass your own to change them: ``load(path, limits=Limits(axis=9))``.

    Raises `ArgumentError` for a limit that is not an integer of at least 0.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20), "pets.fred")
    >>> fredfmt.load("pets.fred", limits=fredfmt.Limits(spatial_size=64))
    Traceback (most recent call last):
    fredfmt.errors.LimitError: ...expected at most 64, found 96...
    """

    file_bytes: int = 1088 << 20
    """Bytes of the file, or of all files of a directory: 64 MiB more than ``decoded_bytes``."""
    entries: int = 4096
    """Entries of the archive, files of the directory, or objects of the HDF5 file."""
    json_bytes: int = 1 << 20
    """Bytes of the metadata document. A document of a Zarr hierarchy, which may contain it, may have `ROOM` bytes
    more."""
    json_depth: int = 16
    """Nesting of the metadata document. A document of a Zarr hierarchy may be nested `LEVELS` deeper."""
    axis: int = 2**31 - 1
    """Length of one axis of an array."""
    spatial_size: int = 1 << 24
    """Positions of one image."""
    image_values: int = 1 << 28
    """Values of one image in all channels, which decoding allocates."""
    decoded_bytes: int = 1 << 30
    """Bytes of all arrays together, decoded."""
    decoded_ratio: int = 1000
    """Bytes of all arrays together, decoded, as a multiple of the file's size."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            object.__setattr__(
                self, limit.name, integer_of(limit.name, getattr(self, limit.name), least=0, where="Limits")
            )

    def __repr__(self) -> str:
        """Only the limits that differ from the default.

        >>> Limits(axis=9), Limits()
        (Limits(axis=9), Limits())
        """
        raised = [
            f"{limit.name}={value}" for limit in fields(self) if (value := getattr(self, limit.name)) != limit.default
        ]
        return f"Limits({', '.join(raised)})"


DEFAULT = Limits()

ROOM, LEVELS = 64 << 10, 2
"""Bytes and levels that a document of a Zarr hierarchy may have beyond the metadata document."""


def check(value: int, limit: int, what: str, *, where: str = "", name: str) -> None:
    """Raise `LimitError` if ``value`` exceeds ``limit``, the field ``name`` of `Limits`."""
    if value > limit:
        raise LimitError(
            f"{what} exceeds the limit",
            where=where,
            expected=f"at most {limit:,}",
            found=f"{value:,}",
            hint=f"If you trust the file, raise Limits({name}=...)",
            rule="FRED-303",
        )


def check_document(size: int, limits: Limits, *, where: str = "") -> None:
    """Raise `LimitError` if a document of a Zarr hierarchy exceeds the limits."""
    check(size, limits.json_bytes + ROOM, "a JSON document", where=where, name="json_bytes")
