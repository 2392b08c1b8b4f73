"""Spectra: the strength of coefficients against frequency, for each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import LINE, QUIET, SERIES, Axes, Colour, Scale, Sheet
from fredfmt.view.preview.statistics import first_of, names_of_masks, shortened, strengths

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

_GREY: Colour = (200, 199, 195)
_MOST = 50
_BINS = 24
_CELL = (150, 120)


def spectra(data: FreDData, *, instances: int, size: int, k: int | None, whitening: ZCA | None) -> Image:
    """Draw the root mean square of the coefficients of each mask against frequency, on a logarithmic scale.

    Frequency is the mean over the axes of the position relative to the axis, from 0 (coarsest) to 1. Grey is the mean
    of all masks. There is no line at frequencies that are not kept.
    """
    places = np.stack(np.unravel_index(data.frequencies.astype(np.int64), data.metadata.spatial_shape))
    lengths = np.reshape(np.maximum(1, np.array(data.metadata.spatial_shape) - 1), (-1, 1, 1))
    bins = np.minimum((places / lengths).mean(axis=0) * _BINS, _BINS - 1).astype(int)
    strong = strengths(data)
    each = np.array([_binned(*pair) for pair in zip(bins, strong, strict=True)])
    overall = _binned(bins.ravel(), strong.ravel())
    seen = each[~np.isnan(each) & (each > 0)]
    low, high = (seen.min() / 1.5, seen.max() * 1.5) if seen.size else (0.1, 1.0)
    reach = Scale(0, min(1, (int(bins.max()) + 1) / _BINS))
    names = names_of_masks(data)[:_MOST]
    columns = min(5, len(names))
    rows = math.ceil(len(names) / columns)
    width, height = (_CELL[0] + 26, _CELL[1] + 62)
    sheet = Sheet(max(64 + columns * width, 420), 78 + rows * height)
    sheet.words((24, 18), "Spectra: strength of coefficients against frequency", size=16)
    more = first_of(len(names), len(strong), "masks")
    sheet.words((24, 42), f"root mean square; grey: all masks; 0 is the coarsest, 1 the finest{more}", colour=QUIET)
    for number, name in enumerate(names):
        left, top = 58 + number % columns * width, 92 + number // columns * height
        axes = Axes(sheet, (left, top, left + _CELL[0], top + _CELL[1]), reach, Scale(low, high, log=True))
        if number % columns == 0:
            axes.draw(size=10)
        else:
            for tick in axes.y.ticks():
                y = axes.place(0, tick)[1]
                sheet.line([(left, y), (left + _CELL[0], y)], LINE, 1)
            sheet.line([(left, top + _CELL[1]), (left + _CELL[0], top + _CELL[1])], QUIET, 1)
        sheet.words((left, top - 18), shortened(name, _CELL[0]), size=12)
        _draw(axes, overall, grey=True)
        _draw(axes, each[number], grey=False)
    return sheet.picture()


def _binned(bins: NDArray[np.int64], strong: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square per bin, NaN for empty bins."""
    count = np.bincount(bins, minlength=_BINS)
    total = np.bincount(bins, np.square(strong), minlength=_BINS)
    return np.where(count > 0, np.sqrt(total / np.maximum(count, 1)), np.nan)


def _draw(axes: Axes, values: NDArray[np.float64], *, grey: bool) -> None:
    points = [((i + 0.5) / _BINS, float(value)) for i, value in enumerate(values) if value > 0]
    points = [(min(x, axes.x.high), max(y, axes.y.low)) for x, y in points]
    if len(points) > 1:
        xs, ys = ([point[i] for point in points] for i in (0, 1))
        axes.curve(xs, ys, _GREY if grey else SERIES[0], 3 if grey else 1.75)
    if not grey:
        for x, y in points:
            axes.sheet.dot(axes.place(x, y), SERIES[0], 2)
