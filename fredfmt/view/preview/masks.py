"""All masks enlarged, with the strength of their frequencies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import QUIET, Sheet, heat
from fredfmt.view.preview.cells import heat_map, plane
from fredfmt.view.preview.statistics import first_of, names_of_masks, shortened, strengths

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

_MOST = 100
_MARGIN, _GAP, _NAME, _COLUMNS, _STRIP = 24, 20, 20, 5, 32


def masks(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """Draw a map of each mask below its name, up to a hundred.

    The coarsest frequency is at the top left. Colour is the root mean square of the coefficients over the instances of
    the mask and channels, on a separate logarithmic scale for each map; omitted frequencies are black.
    """
    height, width = plane(data)
    places = math.prod(data.metadata.spatial_shape)
    count = min(len(data.frequencies), _MOST)
    cell = max(1, round(160 / max(height, width)))
    box = (width * cell, height * cell if height > 1 else _STRIP)
    columns = min(_COLUMNS if count <= 4 * _COLUMNS else 2 * _COLUMNS, count)
    rows = math.ceil(count / columns)
    top = _MARGIN + 46
    across = max(2 * _MARGIN + columns * (box[0] + _GAP) - _GAP, 470)
    sheet = Sheet(across, top + rows * (box[1] + _NAME + _GAP) + _MARGIN)
    sheet.words((_MARGIN, _MARGIN - 6), f"Masks: {data.k:,} of {places:,} frequencies", size=16)
    more = first_of(count, len(data.frequencies), "masks")
    sheet.words((_MARGIN, _MARGIN + 17), f"black: omitted ({1 - data.k / places:.0%}){more}", size=12, colour=QUIET)
    legend = across - _MARGIN - 90
    sheet.words((legend - 6, _MARGIN + 23), "weak", size=12, colour=QUIET, anchor="rm")
    sheet.paste(heat(np.linspace(0.25, 1, 60)[None]), (legend, _MARGIN + 18), (46, 10))
    sheet.words((legend + 52, _MARGIN + 23), "strong", size=12, colour=QUIET, anchor="lm")
    strong, names = strengths(data), names_of_masks(data)
    for mask in range(count):
        left = _MARGIN + mask % columns * (box[0] + _GAP)
        above = top + mask // columns * (box[1] + _NAME + _GAP)
        sheet.words((left, above), shortened(names[mask], box[0] + 12), size=12)
        sheet.paste(heat_map(data, mask, strong[mask]), (left, above + _NAME), box)
    return sheet.picture()
