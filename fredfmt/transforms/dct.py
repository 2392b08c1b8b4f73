"""The orthonormal discrete cosine transform of type II."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dct(n: int) -> NDArray[np.float64]:
    """``A[x, u] = s(u) cos(pi (2 x + 1) u / (2 n))`` with ``s(0) = sqrt(1/n)`` and ``s(u) = sqrt(2/n)``.

    The inverse of ``scipy.fft.dct(type=2, norm="ortho")``.
    """
    return dct_resized(n, n)


def dct_resized(n: int, size: int) -> NDArray[np.float64]:
    """The same cosines at the ``size`` centres of a grid over the same interval."""
    u = np.arange(n)
    x = np.arange(size)[:, None]
    scale = np.full(n, np.sqrt(2 / n))
    scale[0] = np.sqrt(1 / n)
    matrix: NDArray[np.float64] = scale * np.cos(np.pi * (2 * x + 1) * u / (2 * size))
    return matrix
