"""`thumbnails`: a small contact sheet for a terminal, with two pixels per character as coloured half blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.data import FreDData
from fredfmt.view.pictures import pictures, pixels

if TYPE_CHECKING:
    from rich.text import Text

_SIDE = 14
_ROWS = 3


def thumbnails(data: FreDData, *, width: int) -> Text | None:
    """The first instance of each class above its name, as many as fit into three rows of ``width`` characters.

    Volumes are shown by their middle slice. None for signals, which are not pictures.
    """
    from rich.style import Style
    from rich.text import Text

    if len(data.metadata.spatial_shape) == 1 or data.metadata.whitening is not None:
        return None
    labels = data.hard_labels
    shown = [label for label in range(len(data.metadata.classes)) if (labels == label).any()]
    across = max(1, (width + 1) // (_SIDE + 1))
    first = shown[: _ROWS * across]
    drawn = _small(data, np.array([np.flatnonzero(labels == label)[0] for label in first]))
    sheet = Text(no_wrap=True)
    for start in range(0, len(first), across):
        row = drawn[start : start + across]
        for y in range(0, row.shape[1], 2):
            for picture in row:
                for upper, lower in zip(picture[y], picture[y + 1], strict=True):
                    sheet.append("▀", Style(color=_hex(upper), bgcolor=_hex(lower)))
                sheet.append(" " * (_SIDE + 1 - row.shape[2]))
            sheet.append("\n")
        for label in first[start : start + across]:
            sheet.append(_fitted(data.metadata.classes[label]), "dim")
        sheet.append("\n")
    if len(first) < len(shown):
        sheet.append(f"and {len(shown) - len(first)} more classes\n", "dim")
    sheet.rstrip()
    return sheet


def _small(data: FreDData, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(B, height, width, 3) with at most `_SIDE` columns and an even number of rows."""
    shape = data.metadata.spatial_shape
    within = _SIDE * max(shape) / shape[-1]
    images = pictures(data, chosen, within=round(min(within, 2 * _SIDE)))
    if images.ndim == 5:
        images = images[:, :, images.shape[2] // 2]
    if images.shape[2] % 2:
        images = np.concatenate([images, images[:, :, -1:]], axis=2)
    return pixels(images[..., :_SIDE])


def _fitted(name: str) -> str:
    """A name cut or padded to the width of a thumbnail and the gap after it, without control characters."""
    from rich.cells import cell_len, set_cell_size

    plain = "".join(letter for letter in name if letter.isprintable())
    cut = plain if cell_len(plain) <= _SIDE else f"{set_cell_size(plain, _SIDE - 1)}…"
    return set_cell_size(cut, _SIDE + 1)


def _hex(colour: NDArray[np.uint8]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour.tolist())
