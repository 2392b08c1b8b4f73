"""Limits that a reader puts on a file before it allocates anything for it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fredfmt.errors import LimitError
from fredfmt.model.arguments import integer_of


@dataclass(frozen=True, repr=False)
class Limits:
    """What a file may ask of its reader. Raise a limit by passing your own: ``load(path, limits=Limits(axis=9))``.

    Raises `ArgumentError` for a limit that is not an integer of at least 0.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20), "pets.fred")
    >>> fredfmt.load("pets.fred", limits=fredfmt.Limits(spatial_size=64))
    Traceback (most recent call last):
    fredfmt.errors.LimitError: ...expected at most 64, found 96...
    """

    file_bytes: int = 1088 << 20
    """Size of the file, or of all files of a directory: what may be decoded, and 64 MiB around it."""
    entries: int = 4096
    """Entries of the archive, files of the directory, or objects of the HDF5 file."""
    json_bytes: int = 1 << 20
    """Size of the metadata document. A document of a Zarr hierarchy, which may hold it, may have `ROOM` bytes more."""
    json_depth: int = 16
    """Nesting of the metadata document. A document of a Zarr hierarchy may be nested `LEVELS` deeper."""
    axis: int = 2**31 - 1
    """Length of one axis of an array."""
    spatial_size: int = 1 << 24
    """Positions of one image."""
    image_values: int = 1 << 28
    """Positions of all channels of one image: decoding it allocates as many numbers."""
    decoded_bytes: int = 1 << 30
    """Size of all arrays together, decoded."""
    decoded_ratio: int = 1000
    """Size of all arrays together, decoded, as a multiple of the file's size."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            object.__setattr__(
                self, limit.name, integer_of(limit.name, getattr(self, limit.name), least=0, where="Limits")
            )

    def __repr__(self) -> str:
        """Those that are not the default.

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
    """Raise `LimitError` when ``value`` exceeds ``limit``, the field ``name`` of `Limits`."""
    if value > limit:
        raise LimitError(
            f"{what} is over the limit",
            where=where,
            expected=f"at most {limit:,}",
            found=f"{value:,}",
            hint=f"If you trust the file, raise Limits({name}=...)",
            rule="FRED-303",
        )


def check_document(size: int, limits: Limits, *, where: str = "") -> None:
    """Raise `LimitError` when a document of a Zarr hierarchy is larger than the limits allow."""
    check(size, limits.json_bytes + ROOM, "a JSON document", where=where, name="json_bytes")
