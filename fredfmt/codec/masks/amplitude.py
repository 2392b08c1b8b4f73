"""The largest coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import Moments


def amplitude(moments: Moments, spatial_shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """The mean square of each frequency over a class and channels. Of all masks of k frequencies, the result omits the
    least energy. Unlike explained variance, it keeps frequencies that are constant within the class."""
    score: NDArray[np.float64] = moments.power.sum(axis=1)
    return score
