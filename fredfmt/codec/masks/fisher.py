"""The frequencies that separate the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import Moments
from fredfmt.errors import ArgumentError

_LEAST = 1e-3
"""Of the mean variance within classes, added to that of each frequency: noise that hardly varies must not win."""


def fisher(moments: Moments, spatial_shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Variance between classes over variance within them, channels summed, the same for every class: Fisher's
    discriminant of single frequencies. Unlike explained variance it keeps patterns that are constant within a class.

    Raises `ArgumentError` for a single class, or where nothing varies within any.
    """
    within = moments.whole.within.sum(axis=0)
    if len(moments.whole) < 2 or not within.any():
        raise ArgumentError(
            "Fisher's ratio is undefined for one class, or classes of equal images",
            hint="Use mask='amplitude' or mask='low'",
        )
    ratio = moments.whole.between.sum(axis=0) / (within + _LEAST * within.mean())
    return np.tile(ratio, (len(moments), 1))
