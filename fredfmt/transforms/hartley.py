"""The real form of the discrete Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hartley(n: int) -> NDArray[np.float64]:
    """``A[x, u] = sqrt(1/n) cas(2 pi x f(u) / n)``, ``cas t = cos t + sin t``, ``f = 0, 1, n-1, 2, n-2 ...``.

    The two columns of a pair ``f, n - f`` oscillate equally fast and stand side by side, so the columns run from coarse
    to fine. (Bracewell, The Hartley Transform, 1986.)
    """
    column = np.arange(n)
    frequency = np.where(column % 2 == 1, (column + 1) // 2, (n - column // 2) % n)
    angle = 2 * np.pi * np.arange(n)[:, None] * frequency / n
    matrix: NDArray[np.float64] = (np.cos(angle) + np.sin(angle)) / np.sqrt(n)
    return matrix
