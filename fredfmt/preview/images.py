"""A contact sheet: instances of every class, and the masks as heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.drawing import heat
from fredfmt.model import FreDData
from fredfmt.pictures import classes_of, pictures, pixels
from fredfmt.preview.statistics import shortened, strengths

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.sources import ZCA

_GAP = 2
_NAME_WIDTH = 110
_PAPER = 255
_INK = 40


def images(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """One row a class: its name, its mask, and its first ``instances`` instances in 0..1.

    A mask is drawn with the coarsest frequency at its top left; colour is the root mean square of the coefficients over
    the mask's instances, on a logarithmic scale, and frequencies left out are black.
    """
    from PIL import Image, ImageDraw

    meta = data.metadata
    height, width = meta.spatial_shape
    cell = (max(1, round(size * width / height)), size)
    labels, strong = classes_of(data), strengths(data)
    rows = [np.flatnonzero(labels == label)[:instances] for label in range(len(meta.classes))]
    columns = 1 + max(map(len, rows))
    sheet_size = (_NAME_WIDTH + columns * (cell[0] + _GAP), len(rows) * (cell[1] + _GAP) + _GAP)
    sheet = Image.new("RGB", sheet_size, (_PAPER,) * 3)
    pen = ImageDraw.Draw(sheet)
    for row, (name, chosen) in enumerate(zip(meta.classes, rows, strict=True)):
        top = _GAP + row * (cell[1] + _GAP)
        pen.text((6, top + cell[1] // 2 - 6), shortened(name), fill=(_INK,) * 3)
        if chosen.size == 0:
            continue
        mask = data.mask_of[chosen[0]]
        cells = [heat_map(data, int(mask), strong[mask]), *pixels(pictures(data, chosen, k=k, whitening=whitening))]
        for column, part in enumerate(cells):
            picture = Image.fromarray(part).resize(cell, Image.Resampling.NEAREST)
            sheet.paste(picture, (_NAME_WIDTH + column * (cell[0] + _GAP), top))
    return sheet


def heat_map(data: FreDData, mask: int, strong: NDArray[Any]) -> NDArray[np.uint8]:
    """(height, width, 3): a mask's frequencies by their strength, on a logarithmic scale of colours; others black."""
    level = np.full(data.metadata.spatial_shape, -1.0)
    kept = np.log1p(strong / data.step)
    level.flat[data.frequencies[mask]] = 0.25 + 0.75 * kept / max(kept.max(), 1e-12)
    return heat(level)
