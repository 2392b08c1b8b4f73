"""The strength of the coefficients of masks, for `masks`, `energy` and `spectra`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.data import FreDData
from fredfmt.view.fonts import font_for


def strengths(data: FreDData) -> NDArray[np.float64]:
    """(mask, frequency): root mean square of the coefficients, including the base, over the mask's instances and
    channels."""
    found = np.zeros(data.frequencies.shape)
    for mask in range(len(found)):
        values = data.spectra(data.mask_of == mask)
        if len(values):
            found[mask] = np.sqrt(np.square(values).mean(axis=(0, 1)))
    return found


def names_of_masks(data: FreDData) -> list[str]:
    """The names of the classes if there is one mask per class, else the numbers of the masks."""
    by_class = len(data.frequencies) == len(data.metadata.classes) and (data.soft or data.masks_are_labels)
    return list(data.metadata.classes) if by_class else [f"mask {i}" for i in range(len(data.frequencies))]


def shortened(name: str, room: float = 98) -> str:
    """A name that fits into ``room`` pixels: one line without unprintable characters."""
    line = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    font = font_for(line, 12)
    if font.getlength(line) <= room:
        return line
    while line and font.getlength(f"{line}…") > room:
        line = line[:-1]
    return f"{line}…"


def first_of(shown: int, count: int, what: str) -> str:
    """A note for a title if only some are shown; empty if all are."""
    return f", the first {shown} of {count} {what}" if shown < count else ""


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 instance, 2,000 instances."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
