"""How strong the coefficients of masks are: what `masks`, `energy` and `spectra` draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.model import FreDData


def strengths(data: FreDData) -> NDArray[np.float64]:
    """(mask, frequency): root mean square of the coefficients, base included, over a mask's instances and channels."""
    found = np.zeros(data.frequencies.shape)
    for mask in range(len(found)):
        values = data.coefficients[data.mask_of == mask].astype(np.float64)
        if len(values):
            values += 0 if data.base is None else data.base[mask]
            found[mask] = np.sqrt(np.square(values * data.step).mean(axis=(0, 1)))
    return found


def names_of_masks(data: FreDData) -> list[str]:
    """The class where masks and classes are the same thing, else the mask's number."""
    by_class = len(data.frequencies) == len(data.metadata.classes) and (data.soft or data.masks_are_labels)
    return list(data.metadata.classes) if by_class else [f"mask {i}" for i in range(len(data.frequencies))]


def shortened(name: str, letters: int = 16) -> str:
    """A name that fits its place."""
    return name if len(name) <= letters else f"{name[: letters - 1]}."
