"""The canonical order of frequencies, coarse to fine: flat indices in, flat indices out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fredfmt.transforms import spatial_size


@lru_cache(maxsize=16)
def coarse_to_fine(spatial_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """All flat (row-major) frequency indices of a spatial shape in canonical order, (frequency,) int64, read-only.

    A frequency at positions ``p_a`` of axes of lengths ``n_a`` comes before another when its ``sum(p_a / n_a)`` is
    smaller; of equal sums, the smaller flat index comes first. The sums are compared exactly, as whole numbers.
    """
    size = spatial_size(spatial_shape)
    flat = np.arange(size, dtype=np.int64)
    coarseness = np.zeros(size, dtype=np.int64)
    for position, length in zip(np.unravel_index(flat, spatial_shape), spatial_shape, strict=True):
        coarseness += position.astype(np.int64) * (size // length)
    order = np.argsort(coarseness, kind="stable")
    order.setflags(write=False)
    return order


@lru_cache(maxsize=16)
def ranks(spatial_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The place of every flat frequency index in `coarse_to_fine`, (frequency,) int64, read-only."""
    order = coarse_to_fine(spatial_shape)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    rank.setflags(write=False)
    return rank


def in_order(frequencies: NDArray[np.integer], spatial_shape: Sequence[int]) -> NDArray[np.integer]:
    """Each row of (mask, frequency) flat indices sorted into canonical order."""
    rank = ranks(tuple(spatial_shape))[frequencies]
    return np.take_along_axis(frequencies, np.argsort(rank, axis=-1), axis=-1)
