"""The frequencies that separate the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import Moments
from fredfmt.errors import ArgumentError

_LEAST = 1e-3
"""The share of the mean variance within classes that is added to the variance of each frequency, so that frequencies
with hardly any variance do not score high."""


def fisher(moments: Moments, spatial_shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Variance between classes divided by variance within classes, each summed over channels; the same for every class.

    This is Fisher's discriminant ratio of single frequencies. Unlike explained variance, it keeps patterns that are
    constant within a class. Raises `ArgumentError` for a single class, or if no class has any variance.
    """
    within = moments.whole.within.sum(axis=0)
    if len(moments.whole) < 2 or not within.any():
        raise ArgumentError(
            "Fisher's ratio is undefined for a single class, and for classes of identical images",
            hint="Use mask='amplitude' or mask='low'",
        )
    ratio = moments.whole.between.sum(axis=0) / (within + _LEAST * within.mean())
    return np.tile(ratio, (len(moments), 1))
