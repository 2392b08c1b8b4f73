"""A folder of 8-bit PNG images, a folder a class."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fredfmt.errors import ArgumentError
from fredfmt.model import FreDData


def png(data: FreDData, path: Path) -> None:
    """``path/<number>-<class>/<instance>.png``, grey or RGB; values are clipped to 0..1 and rounded to 8 bits.

    Soft labels are reduced to their largest. torchvision's ``ImageFolder`` and the source ``folder:PATH`` read it.
    Raises `ArgumentError` for data that are not images of 1 or 3 channels.
    """
    from PIL import Image

    from fredfmt.decoder import decode

    meta = data.metadata
    if len(meta.spatial_shape) != 2 or meta.channels not in (1, 3):
        raise ArgumentError(
            "only images of 1 or 3 channels can become PNG",
            expected="(1 or 3, height, width)",
            found=(meta.channels, *meta.spatial_shape),
            hint="Export to npz",
        )
    pixels = (decode(data, normalized=False).clamp(0, 1) * 255).round().byte().numpy()
    labels = data.labels.argmax(axis=1) if data.soft else data.labels
    digits = len(str(len(meta.classes) - 1))
    folders = [path / f"{i:0{digits}}-{re.sub(r'[^A-Za-z0-9]+', '-', name)}" for i, name in enumerate(meta.classes)]
    for folder in folders:
        folder.mkdir(parents=True)
    for instance, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        squeezed = image[0] if meta.channels == 1 else np.moveaxis(image, 0, -1)
        Image.fromarray(np.ascontiguousarray(squeezed)).save(folders[label] / f"{instance:06}.png")
