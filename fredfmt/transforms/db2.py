"""The orthonormal Daubechies wavelet transform with two vanishing moments."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fredfmt.transforms.wavelet import wavelet

_ROOT = math.sqrt(3)


def db2(n: int) -> NDArray[np.float64]:
    """Smoother than Haar's: filters of four taps (Daubechies, Ten Lectures on Wavelets, 1992, section 6.4); see
    `wavelet`."""
    return wavelet(n, [part / (4 * math.sqrt(2)) for part in (1 - _ROOT, 3 - _ROOT, 3 + _ROOT, 1 + _ROOT)])
