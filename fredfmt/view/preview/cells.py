"""Small pictures of instances and masks with one, two and three axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.data import FreDData
from fredfmt.view.drawing import INK, LINE, SERIES, Axes, Scale, Sheet, heat
from fredfmt.view.pictures import pixels


def plane(data: FreDData) -> tuple[int, int]:
    """(height, width) of an image, of a slice of a volume, or of a signal as one row."""
    height, width = (1, 1, *data.metadata.spatial_shape)[-2:]
    return height, width


def cell_size(data: FreDData, size: int) -> tuple[int, int]:
    """(width, height) of a picture ``size`` high; signals are twice as wide as high."""
    height, width = plane(data)
    return (2 * size, size) if height == 1 else (max(1, round(size * width / height)), size)


def drawn(images: NDArray[np.float64], cell: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """A picture of each instance (B, C, *spatial) in 0..1: images, the middle slice of volumes, or signals as lines."""
    if images.ndim == 3:
        return [_lines(signal, cell) for signal in images]
    return list(pixels(images[:, :, images.shape[2] // 2] if images.ndim == 5 else images))


def heat_map(data: FreDData, mask: int, strong: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(height, width, 3): the strength of a mask's frequencies as colours, on a logarithmic scale; others are black.

    For volumes, each position shows the maximum over the first axis.
    """
    level = np.full(data.metadata.spatial_shape, -1.0)
    kept = np.log1p(strong / data.step)
    level.flat[data.frequencies[mask]] = 0.25 + 0.75 * kept / max(kept.max(), 1e-12)
    return heat(level.reshape(-1, *plane(data)).max(axis=0))


def _lines(signal: NDArray[np.float64], cell: tuple[int, int]) -> NDArray[np.uint8]:
    """The channels of a signal in one picture, with lines at 0 and 1."""
    width, height = cell
    sheet = Sheet(width, height)
    room = Scale(min(0.0, float(signal.min())), max(1.0, float(signal.max())))
    axes = Axes(sheet, (3, 3, width - 3, height - 3), Scale(0, max(1, signal.shape[1] - 1)), room)
    for level in (0, 1):
        axes.curve([axes.x.low, axes.x.high], [level, level], LINE, 1)
    places = list(range(signal.shape[1]))
    for channel, values in enumerate(signal):
        colour = INK if len(signal) == 1 else SERIES[channel % len(SERIES)]
        axes.curve(places, values.tolist(), colour, 1)
    return np.asarray(sheet.picture())
