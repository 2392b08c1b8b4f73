"""A contact sheet: instances of every class, and the masks as heat maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import QUIET, Sheet
from fredfmt.view.pictures import pictures
from fredfmt.view.preview.cells import cell_size, drawn, heat_map
from fredfmt.view.preview.statistics import counted, shortened, strengths

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

_MARGIN, _GAP, _APART, _BETWEEN, _NAME_WIDTH, _TOP = 20, 4, 12, 28, 110, 90
_TALL = 20
"""The number of classes from which on a sheet may have several columns of classes."""
_TWO_LINES = 34
"""The smallest height of a row with space for a name and a count."""


def images(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """Draw one row per class: its name, its mask, and its first ``instances`` instances in 0..1; many classes in
    columns.

    The coarsest frequency of a mask is at the top left. Colour is the root mean square of the coefficients over the
    mask's instances, on a logarithmic scale; omitted frequencies are black. Signals are drawn as lines, volumes by
    their middle slice.
    """
    classes = data.metadata.classes
    cell = cell_size(data, size)
    labels, strong = data.hard_labels, strengths(data)
    counts = np.bincount(labels, minlength=len(classes))
    rows = [np.flatnonzero(labels == label)[:instances] for label in range(len(classes))]
    to_images = _NAME_WIDTH + cell[0] + _APART
    across = to_images + max(map(len, rows)) * (cell[0] + _GAP) - _GAP
    down = cell[1] + _GAP
    columns = math.ceil(math.sqrt(len(rows) * down / (1.6 * across))) if len(rows) > _TALL else 1
    height = math.ceil(len(rows) / columns)
    width = 2 * _MARGIN + max(columns * (across + _BETWEEN) - _BETWEEN, 420)
    sheet = Sheet(width, _TOP + height * down - _GAP + _MARGIN)
    sheet.words((_MARGIN, 16), _title(data), size=16)
    sheet.words((_MARGIN, 40), _kept(data, k), colour=QUIET)
    for column in range(math.ceil(len(rows) / height)):
        left = _MARGIN + column * (across + _BETWEEN)
        sheet.words((left + _NAME_WIDTH, _TOP - 20), "mask", colour=QUIET)
        sheet.words((left + to_images, _TOP - 20), _header(counts, instances), colour=QUIET)
    for row, (name, count, chosen) in enumerate(zip(classes, counts, rows, strict=True)):
        left = _MARGIN + row // height * (across + _BETWEEN)
        top = _TOP + row % height * down
        middle = top + cell[1] / 2
        if cell[1] >= _TWO_LINES and counts.min() < counts.max():
            sheet.words((left, middle + 9), f"{len(chosen)} of {count:,}", size=11, colour=QUIET, anchor="lm")
            middle -= 8
        sheet.words((left, middle), shortened(name), anchor="lm")
        if chosen.size == 0:
            continue
        mask = data.mask_of[chosen[0]]
        sheet.paste(heat_map(data, int(mask), strong[mask]), (left + _NAME_WIDTH, top), cell)
        for column, part in enumerate(drawn(pictures(data, chosen, k=k, whitening=whitening), cell)):
            sheet.paste(part, (left + to_images + column * (cell[0] + _GAP), top), cell)
    return sheet.picture()


def _title(data: FreDData) -> str:
    meta = data.metadata
    shape = " x ".join(map(str, ((meta.channels,) if meta.channels > 1 else ()) + meta.spatial_shape))
    return f"{counted(len(data), 'instance')} of {shape}, {counted(len(meta.classes), 'class', 'classes')}"


def _kept(data: FreDData, k: int | None) -> str:
    meta = data.metadata
    used = data.k if k is None else k
    stored = meta.quantization.mode if meta.quantization.step is None else f"step {meta.quantization.step:g}"
    places = math.prod(meta.spatial_shape)
    return f"{used:,} of {counted(places, 'frequency', 'frequencies')} each, {meta.transforms}, {stored}"


def _header(counts: NDArray[np.int64], instances: int) -> str:
    """A description of the shown instances that is true for all classes."""
    most, same = int(counts.max()), counts.min() == counts.max()
    if most <= instances:
        return "all instances"
    return f"the first {instances} of {most:,} instances" if same else f"the first {instances} instances"
