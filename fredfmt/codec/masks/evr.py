"""Explained variance ratio, the strategy of FreD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.statistics import Moments
from fredfmt.errors import ArgumentError


def evr(moments: Moments, spatial_shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Each frequency's share of the variance of the class, summed over channels (FreD, NeurIPS 2023, section 3).

    The official code averages the channels first, and uses an un-normalised DCT and only the images drawn for
    initialisation; docs/decisions/masks.md describes the differences. Raises `ArgumentError` for a class without
    variance, that is, of one image or of identical images.
    """
    variance = moments.variance.sum(axis=1)
    total = variance.sum(axis=1, keepdims=True)
    single = np.finfo(np.float32)
    tiny = float(single.eps) ** 2 * np.maximum(moments.power.sum(axis=(1, 2)), single.tiny)
    empty = np.flatnonzero((moments.count < 2) | (total[:, 0] <= tiny))
    if empty.size:
        raise ArgumentError(
            "explained variance is undefined for a class of one image or of identical images",
            where=f"class {moments.classes.start + empty[0]} ({moments.count[empty[0]]} images)",
            hint="Use mask='amplitude' or mask='low', or give more images",
        )
    ratio: NDArray[np.float64] = variance / total
    return ratio
