"""A contact sheet: instances of every class, and the masks as heat maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import Sheet
from fredfmt.view.pictures import pictures
from fredfmt.view.preview.cells import cell_size, drawn, heat_map
from fredfmt.view.preview.statistics import shortened, strengths

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

_GAP, _BETWEEN, _NAME_WIDTH = 2, 16, 110
_TALL = 20
"""Classes from which a sheet may have several columns of them."""


def images(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """One row a class: its name, its mask, and its first ``instances`` instances in 0..1; many classes in columns.

    A mask is drawn with the coarsest frequency at its top left; colour is the root mean square of the coefficients over
    the mask's instances, on a logarithmic scale, and frequencies left out are black. Signals are lines, volumes their
    middle slice.
    """
    classes = data.metadata.classes
    cell = cell_size(data, size)
    labels, strong = data.hard_labels, strengths(data)
    rows = [np.flatnonzero(labels == label)[:instances] for label in range(len(classes))]
    across = _NAME_WIDTH + (1 + max(map(len, rows))) * (cell[0] + _GAP)
    down = cell[1] + _GAP
    columns = math.ceil(math.sqrt(len(rows) * down / (1.6 * across))) if len(rows) > _TALL else 1
    height = math.ceil(len(rows) / columns)
    sheet = Sheet(columns * (across + _BETWEEN) - _BETWEEN, height * down + _GAP)
    for row, (name, chosen) in enumerate(zip(classes, rows, strict=True)):
        left = row // height * (across + _BETWEEN)
        top = _GAP + row % height * down
        sheet.words((left + 6, top + cell[1] / 2), shortened(name), anchor="lm")
        if chosen.size == 0:
            continue
        mask = data.mask_of[chosen[0]]
        shown = drawn(pictures(data, chosen, k=k, whitening=whitening), cell)
        for column, part in enumerate([heat_map(data, int(mask), strong[mask]), *shown]):
            sheet.paste(part, (left + _NAME_WIDTH + column * (cell[0] + _GAP), top), cell)
    return sheet.picture()
