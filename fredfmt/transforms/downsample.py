"""Half the resolution: blocks of two positions per axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def downsample(n: int) -> NDArray[np.float64]:
    """Column u is constant on the positions 2u and 2u + 1 (if n is odd, the last one only on the last position), of
    unit norm.

    There are only half as many such patterns as positions: columns from ceil(n / 2) on are zero, and everything except
    the block means is lost. IDC stores several images in place of one in this way (Kim et al., Dataset Condensation via
    Efficient Synthetic-Data Parameterization, ICML 2022).
    """
    block = np.arange(n)[:, None] // 2 == np.arange(n)
    matrix: NDArray[np.float64] = block / np.sqrt(np.maximum(block.sum(axis=0), 1))
    return matrix
