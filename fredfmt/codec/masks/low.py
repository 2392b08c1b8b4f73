"""The coarsest frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import Moments
from fredfmt.model.ordering import ranks


def low(moments: Moments, spatial_shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """The reversed position in canonical order, the same for every class."""
    return np.tile(-ranks(spatial_shape).astype(np.float64), (len(moments), 1))
