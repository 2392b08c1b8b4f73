"""Saves pictures and pages in the format of the file's suffix; unknown suffixes are refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fredfmt.errors import ArgumentError
from fredfmt.storage.writing import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        ".png": {"format": "PNG"},
        ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
        ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
        ".webp": {"format": "WEBP", "lossless": True},
        ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
        ".tiff": {"format": "TIFF", "compression": "tiff_deflate"},
        ".bmp": {"format": "BMP"},
    }
)
"""Pillow's format for each suffix."""
PAGES = (".html", ".htm")


def check_suffix(path: Path, known: Collection[str]) -> None:
    """Raise `ArgumentError` unless the name ends with one of the ``known`` suffixes, in either case.

    >>> from pathlib import Path
    >>> check_suffix(Path("page.HTML"), PAGES)
    >>> check_suffix(Path("page.pdf"), PAGES)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: page.pdf: no such format; expected .html, .htm, found .pdf
    """
    if path.suffix.lower() not in known:
        raise ArgumentError(
            "no such format", where=str(path), expected=", ".join(known), found=path.suffix or "a name without a suffix"
        )


def save_picture(picture: Image, path: Path) -> None:
    """Write a picture atomically, in the format of the suffix.

    Raises `ArgumentError` for a suffix that is not in `PICTURES`.
    """
    check_suffix(path, PICTURES)
    with replacing(path) as target:
        picture.save(target, **PICTURES[path.suffix.lower()])
