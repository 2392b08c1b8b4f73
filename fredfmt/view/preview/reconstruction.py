"""Reconstruction against k: an instance of each class decoded from more and more frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import QUIET, Sheet
from fredfmt.view.pictures import pictures
from fredfmt.view.preview.cells import cell_size, drawn
from fredfmt.view.preview.statistics import first_of, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

_MOST = 20
_NAME, _GAP, _TOP = 120, 4, 86


def reconstruction(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """Draw one row per class: its first instance decoded from its first 1, 2, 4 ... frequencies, and from all.

    Under each number is the root mean square difference from all frequencies, over the shown instances, in 0..1.
    """
    labels = data.hard_labels
    present = [label for label in range(len(data.metadata.classes)) if (labels == label).any()]
    shown = present[:_MOST]
    chosen = np.array([np.flatnonzero(labels == label)[0] for label in shown])
    most = data.k if k is None else k
    ks = [*(2**i for i in range(20) if 2**i < most), most]
    width, height = cell_size(data, size)
    cell = (max(34, width), height)
    full = pictures(data, chosen, k=most, whitening=whitening)
    sheet = Sheet(max(_NAME + len(ks) * (cell[0] + _GAP) + 20, 460), _TOP + len(shown) * (size + _GAP) + 20)
    sheet.words((20, 18), f"From coarse to fine{first_of(len(shown), len(present), 'classes')}", size=16)
    sheet.words((20, _TOP - 38), "frequencies", colour=QUIET)
    sheet.words((20, _TOP - 22), "rms difference", size=11, colour=QUIET)
    for row, label in enumerate(shown):
        middle = _TOP + row * (size + _GAP) + size / 2
        sheet.words((20, middle), shortened(data.metadata.classes[label]), anchor="lm")
    for column, used in enumerate(ks):
        made = pictures(data, chosen, k=used, whitening=whitening)
        left = _NAME + column * (cell[0] + _GAP)
        sheet.words((left + cell[0] / 2, _TOP - 38), str(used), anchor="ma")
        error = float(np.sqrt(np.square(made - full).mean()))
        sheet.words((left + cell[0] / 2, _TOP - 22), f"{error:.3f}", size=11, colour=QUIET, anchor="ma")
        for row, picture in enumerate(drawn(made, cell)):
            sheet.paste(picture, (left, _TOP + row * (size + _GAP)), cell)
    return sheet.picture()
