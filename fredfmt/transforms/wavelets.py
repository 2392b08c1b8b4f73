"""Orthonormal wavelet transforms, Haar's and Daubechies', for axes of any length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROOT = math.sqrt(3)


def haar(n: int) -> NDArray[np.float64]:
    """Sums and differences of neighbours over sqrt(2), level by level; see `wavelet`."""
    return wavelet(n, [math.sqrt(1 / 2)] * 2)


def db2(n: int) -> NDArray[np.float64]:
    """Smoother than Haar's: filters of four taps, two vanishing moments (Daubechies, Ten Lectures on Wavelets, 1992,
    section 6.4); see `wavelet`."""
    return wavelet(n, [part / (4 * math.sqrt(2)) for part in (1 - _ROOT, 3 - _ROOT, 3 + _ROOT, 1 + _ROOT)])


def wavelet(n: int, low: Sequence[float]) -> NDArray[np.float64]:
    """The periodised wavelets of an even-length low-pass filter, all levels down to a single average; columns ordered
    average, coarsest detail, ..., finest detail.

    Each level filters the averages around a circle and keeps every second value; the last value of a level of odd
    length is passed on unchanged, so any length has an orthonormal basis. For lengths that are powers of two this is
    ``pywt.wavedec`` in mode ``periodization``.
    """
    length = len(low)
    high = [(-1) ** (tap + 1) * low[length - 1 - tap] for tap in range(length)]
    averages, details = np.eye(n), np.empty((0, n))
    while len(averages) > 1:
        even = len(averages) // 2 * 2
        places = (length // 2 + 2 * np.arange(even // 2)[:, None] - np.arange(length)) % even
        taps = averages[places]
        details = np.concatenate([np.einsum("otn,t->on", taps, high), details])
        averages = np.concatenate([np.einsum("otn,t->on", taps, low), averages[even:]])
    matrix: NDArray[np.float64] = np.concatenate([averages, details]).T
    return matrix
