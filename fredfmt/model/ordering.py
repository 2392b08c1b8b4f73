"""The canonical order of frequencies, from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.blocks import blocks
from fredfmt.transforms import spatial_size

_WORK = 8
"""Bytes per index in each of the few temporary arrays of a comparison."""


@lru_cache(maxsize=16)
def coarse_to_fine(spatial_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """All flat (row-major) frequency indices of a spatial shape in canonical order, (frequency,) int64, read-only.

    A frequency at positions ``p_a`` of axes of lengths ``n_a`` comes before another when its ``sum(p_a / n_a)`` is
    smaller; if sums are equal, the smaller flat index comes first. The sums are compared exactly, as integers.
    """
    order = coarsest(spatial_shape, spatial_size(spatial_shape))
    order.setflags(write=False)
    return order


def coarsest(spatial_shape: tuple[int, ...], length: int) -> NDArray[np.int64]:
    """The first ``length`` (at least 1) of `coarse_to_fine`, (frequency,) int64, computed in 30 MiB of memory.

    >>> coarsest((4, 6), 5).tolist()
    [0, 1, 6, 2, 7]
    """
    size = spatial_size(spatial_shape)
    first = np.empty(0, np.int64)
    for some in blocks(size, _WORK):
        keys = order_keys(np.arange(some.start, some.stop), spatial_shape)
        if len(first) == length:
            keys = keys[keys < first.max()]
        first = np.concatenate([first, keys])
        if len(first) > length:
            first = np.partition(first, length - 1)[:length]
    first.sort()
    return first % size


def order_keys(frequencies: NDArray[np.integer], spatial_shape: Sequence[int]) -> NDArray[np.int64]:
    """Integers that sort flat indices into canonical order: by `coarseness`, then by index. Same shape, int64."""
    return coarseness(frequencies, spatial_shape) * spatial_size(spatial_shape) + frequencies


@lru_cache(maxsize=16)
def ranks(spatial_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The position of every flat frequency index in `coarse_to_fine`, (frequency,) int64, read-only."""
    order = coarse_to_fine(spatial_shape)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    rank.setflags(write=False)
    return rank


def coarseness(frequencies: NDArray[np.integer], spatial_shape: Sequence[int]) -> NDArray[np.int64]:
    """``sum(p_a / n_a)`` of flat indices, times the spatial size, so that it is an integer. Same shape, int64."""
    size = spatial_size(spatial_shape)
    result = np.zeros(frequencies.shape, np.int64)
    positions = np.unravel_index(frequencies.astype(np.int64), tuple(spatial_shape))
    for position, length in zip(positions, spatial_shape, strict=True):
        result += position.astype(np.int64) * (size // length)
    return result


def is_ordered(frequencies: NDArray[np.integer], spatial_shape: Sequence[int]) -> NDArray[np.bool_]:
    """(mask,) booleans: whether each row of (mask, frequency) flat indices is in canonical order, without repeats."""
    masks, k = frequencies.shape
    ordered = np.ones(masks, np.bool_)
    for columns in blocks(k - 1, _WORK):
        for rows in blocks(masks, _WORK * (columns.stop - columns.start)):
            part = frequencies[rows, columns.start : columns.stop + 1]
            steps = np.diff(coarseness(part, spatial_shape), axis=1)
            rising = (steps > 0) | ((steps == 0) & (np.diff(part.astype(np.int64), axis=1) > 0))
            ordered[rows] &= rising.all(axis=1)
    return ordered


def in_order(frequencies: NDArray[np.integer], spatial_shape: Sequence[int]) -> NDArray[np.integer]:
    """Each row of (mask, frequency) flat indices sorted into canonical order."""
    order = np.lexsort((frequencies, coarseness(frequencies, spatial_shape)), axis=-1)
    return np.take_along_axis(frequencies, order, axis=-1)
