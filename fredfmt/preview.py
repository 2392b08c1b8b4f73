"""A picture of a data set: instances of every class, and the masks as heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.model import FreDData

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.sources import ZCA

_GAP = 2
_NAME_WIDTH = 110
_PAPER = 255
_INK = 40
_HEAT = np.array([[16, 14, 38], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], np.float64)


def preview(
    data: FreDData, *, instances: int = 12, size: int = 56, k: int | None = None, whitening: ZCA | None = None
) -> Image:
    """A contact sheet, one row a class: its name, its mask, and its first ``instances`` instances in 0..1.

    A mask is drawn with the coarsest frequency at its top left; colour is the root mean square of the coefficients over
    the class, on a logarithmic scale, and frequencies left out are black. ``size`` is the height of a cell in pixels,
    ``k`` decodes a prefix of the frequencies, ``whitening`` is that of whitened images. Raises `ArgumentError` for data
    that are not images, or are whitened by what is not given.
    """
    from PIL import Image, ImageDraw

    meta = data.metadata
    if len(meta.spatial_shape) != 2:
        raise ArgumentError("only images can be previewed", expected="(height, width)", found=meta.spatial_shape)
    height, width = meta.spatial_shape
    cell = (max(1, round(size * width / height)), size)
    labels = data.labels.argmax(axis=1) if data.soft else data.labels
    rows = [np.flatnonzero(labels == label)[:instances] for label in range(len(meta.classes))]
    columns = 1 + max(map(len, rows))
    sheet_size = (_NAME_WIDTH + columns * (cell[0] + _GAP), len(rows) * (cell[1] + _GAP) + _GAP)
    sheet = Image.new("RGB", sheet_size, (_PAPER,) * 3)
    pen = ImageDraw.Draw(sheet)
    for row, (name, chosen) in enumerate(zip(meta.classes, rows, strict=True)):
        top = _GAP + row * (cell[1] + _GAP)
        pen.text((6, top + cell[1] // 2 - 6), _shortened(name), fill=(_INK,) * 3)
        if chosen.size == 0:
            continue
        cells = [_heat(_energy(data, chosen)), *_images(data, chosen, k, whitening)]
        for column, pixels in enumerate(cells):
            picture = Image.fromarray(pixels).resize(cell, Image.Resampling.NEAREST)
            sheet.paste(picture, (_NAME_WIDTH + column * (cell[0] + _GAP), top))
    return sheet


def _images(data: FreDData, chosen: NDArray[Any], k: int | None, whitening: ZCA | None) -> NDArray[np.uint8]:
    """(instance, height, width, 3)."""
    from fredfmt.decoder import decode

    pixels = decode(data, chosen, normalized=False, k=k, whitening=whitening)
    decoded = pixels.clamp(0, 1).mul(255).round().byte().numpy()
    colours = decoded if data.metadata.channels == 3 else np.repeat(decoded[:, :1], 3, axis=1)
    return np.ascontiguousarray(np.moveaxis(colours, 1, -1))


def _energy(data: FreDData, chosen: NDArray[Any]) -> NDArray[np.float64]:
    """Root mean square of the stored coefficients over the instances, (height, width), -1 where nothing is kept."""
    mask = data.mask_of[chosen[0]]
    chosen = chosen[data.mask_of[chosen] == mask]
    kept = np.sqrt(np.square(data.coefficients[chosen].astype(np.float64)).mean(axis=(0, 1)))
    energy = np.full(data.metadata.spatial_shape, -1.0)
    energy.flat[data.frequencies[mask]] = kept
    return energy


def _heat(energy: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(height, width, 3): black where negative, else a logarithmic scale of colours."""
    level = np.log1p(np.maximum(energy, 0))
    level = 0.25 + 0.75 * level / max(level.max(), 1e-12)
    anchors = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(level, anchors, _HEAT[:, i]) for i in range(3)], axis=-1)
    return np.where(energy[..., None] < 0, 0, colours).round().astype(np.uint8)


def _shortened(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}."
