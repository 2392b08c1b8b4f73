"""A folder of 8-bit PNG images, one folder per class."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from fredfmt.exchange.exporters.pictures import pictures, png_bytes
from fredfmt.model.data import FreDData

_LONGEST = 200
"""The largest number of bytes of a class name in a folder's name: file systems allow names of 255 bytes."""


def png(data: FreDData, path: Path) -> None:
    """``path/<number>-<class>/<instance>.png``, grey or RGB; values are clipped to 0..1 and rounded to 8 bits.

    Folder names keep the letters and digits of any script; other characters become hyphens, and class names are cut at
    200 bytes of UTF-8. Of soft labels, only the most probable class is kept. torchvision's ``ImageFolder`` and the
    source ``folder:PATH`` read it. Raises `ArgumentError` for data that are not images of 1 or 3 channels.
    """
    meta = data.metadata
    images = pictures(data)
    digits = len(str(len(meta.classes) - 1))
    folders = [path / f"{i:0{digits}}-{_folder_name(name)}" for i, name in enumerate(meta.classes)]
    for folder in folders:
        folder.mkdir(parents=True)
    for instance, (image, label) in enumerate(zip(images, data.hard_labels, strict=True)):
        (folders[label] / f"{instance:06}.png").write_bytes(png_bytes(image))


def _folder_name(name: str) -> str:
    """A class name as part of a folder's name: letters, their marks and digits of any script, joined by hyphens."""
    kept = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" else "-" for letter in unicodedata.normalize("NFC", name)
    )
    return re.sub("-+", "-", kept).encode()[:_LONGEST].decode(errors="ignore")
