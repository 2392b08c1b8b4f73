"""Energy compaction: the share of the energy in the first of the kept frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import INK, QUIET, SERIES, Axes, Colour, Scale, Sheet
from fredfmt.view.preview.statistics import strengths

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

_PALE: Colour = (190, 203, 226)


def energy(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """Draw the share of the stored energy against the number of frequencies, for each mask and the mean of all.

    Strongest first shows how few frequencies would be enough; coarse first is the order in the file.
    """
    squares = np.square(strengths(data))
    squares = squares[squares.sum(axis=1) > 0]
    squares /= squares.sum(axis=1, keepdims=True)
    strongest, coarse = (np.cumsum(100 * order, axis=1) for order in (np.sort(squares, axis=1)[:, ::-1], squares))
    sheet = Sheet(720, 440)
    sheet.words((64, 18), "Energy compaction", size=16)
    axes = Axes(sheet, (64, 84, 690, 380), Scale(1, max(2, data.k), log=True), Scale(0, 100))
    axes.draw(x_name="frequencies used", y_name="% of the stored energy")
    ks = np.arange(1, data.k + 1)
    if data.k > 1:
        for each in strongest[:100]:
            axes.curve(ks.tolist(), each.tolist(), _PALE, 1)
        axes.curve(ks.tolist(), strongest.mean(axis=0).tolist(), SERIES[0], 2.5)
        axes.curve(ks.tolist(), coarse.mean(axis=0).tolist(), SERIES[1], 2.5)
    for row, (colour, text) in enumerate(
        ((SERIES[0], "strongest first, mean"), (_PALE, "each mask"), (SERIES[1], "coarse first, mean"))
    ):
        y = 308 + 20 * row
        sheet.line([(520, y), (548, y)], colour, 2.5)
        sheet.words((556, y), text, anchor="lm", colour=INK)
    half = int(np.argmax(strongest.mean(axis=0) >= 90)) + 1
    sheet.words((690, 22), f"90 % in {half} of {data.k} frequencies", colour=QUIET, anchor="ra")
    return sheet.picture()
