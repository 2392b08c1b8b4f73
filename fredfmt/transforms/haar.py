"""The orthonormal Haar wavelet transform."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fredfmt.transforms.wavelet import wavelet


def haar(n: int) -> NDArray[np.float64]:
    """Sums and differences of neighbours over sqrt(2), level by level; see `wavelet`."""
    return wavelet(n, [math.sqrt(1 / 2)] * 2)
