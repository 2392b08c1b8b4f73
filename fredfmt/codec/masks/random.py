"""Random frequencies, a baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import Moments
from fredfmt.transforms import spatial_size


def random(moments: Moments, spatial_shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Uniform random scores for each class."""
    return generator.random((len(moments), spatial_size(spatial_shape)))
