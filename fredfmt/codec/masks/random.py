"""Frequencies drawn by lot, a baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import ClassStatistics
from fredfmt.transforms import spatial_size


def random(
    statistics: ClassStatistics, spatial_shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64]:
    """A uniform draw for each class."""
    return generator.random((len(statistics), spatial_size(spatial_shape)))
