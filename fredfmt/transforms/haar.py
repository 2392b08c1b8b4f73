"""The orthonormal Haar wavelet transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def haar(n: int) -> NDArray[np.float64]:
    """Haar wavelets, all levels down to a single average; columns ordered average, coarsest detail, ..., finest detail.

    Each level pairs neighbouring averages into their sum and difference over sqrt(2); an odd one out at the end of a
    level is passed on as it is, so any length has an orthonormal basis. For lengths that are powers of two this is
    ``pywt.wavedec(x, "haar")``.
    """
    averages = np.eye(n)
    details: list[NDArray[np.float64]] = []
    while averages.shape[1] > 1:
        paired = averages.shape[1] // 2 * 2
        left, right = averages[:, 0:paired:2], averages[:, 1:paired:2]
        details.insert(0, (left - right) / np.sqrt(2))
        averages = np.concatenate([(left + right) / np.sqrt(2), averages[:, paired:]], axis=1)
    return np.concatenate([averages, *details], axis=1)
