"""A folder of 8-bit PNG images, a folder a class."""

from __future__ import annotations

import re
from pathlib import Path

from fredfmt.exchange.exporters.pictures import pictures, png_bytes
from fredfmt.model.data import FreDData


def png(data: FreDData, path: Path) -> None:
    """``path/<number>-<class>/<instance>.png``, grey or RGB; values are clipped to 0..1 and rounded to 8 bits.

    Soft labels are reduced to their largest. torchvision's ``ImageFolder`` and the source ``folder:PATH`` read it.
    Raises `ArgumentError` for data that are not images of 1 or 3 channels.
    """
    meta = data.metadata
    images = pictures(data)
    digits = len(str(len(meta.classes) - 1))
    folders = [path / f"{i:0{digits}}-{re.sub(r'[^A-Za-z0-9]+', '-', name)}" for i, name in enumerate(meta.classes)]
    for folder in folders:
        folder.mkdir(parents=True)
    for instance, (image, label) in enumerate(zip(images, data.hard_labels, strict=True)):
        (folders[label] / f"{instance:06}.png").write_bytes(png_bytes(image))
