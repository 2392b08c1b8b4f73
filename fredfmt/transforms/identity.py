"""No transform: coefficients are the pixels themselves, the spatial baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def identity(n: int) -> NDArray[np.float64]:
    """The identity matrix."""
    return np.eye(n)
