"""Mask strategies, which score the frequencies of each class by statistics of its spectra.

A strategy is a function ``(moments, spatial_shape, generator) -> score``, (mask, frequency) finite float64. It is
called for a few classes at a time, in order. The k frequencies with the highest scores are kept, and the coarser of
equal scores. To add a strategy, add a module to this package and a line to `MASKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks.amplitude import amplitude
from fredfmt.codec.masks.evr import evr
from fredfmt.codec.masks.fisher import fisher
from fredfmt.codec.masks.high import high
from fredfmt.codec.masks.low import low
from fredfmt.codec.masks.random import random
from fredfmt.codec.masks.statistics import ClassStatistics, Moments
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import integer_of, is_integer
from fredfmt.model.blocks import blocks
from fredfmt.model.ordering import in_order, ranks
from fredfmt.transforms import live_frequencies, spatial_size

Strategy: TypeAlias = Callable[[Moments, tuple[int, ...], np.random.Generator], NDArray[np.float64]]

MASKS: Mapping[str, Strategy] = MappingProxyType(
    {"amplitude": amplitude, "evr": evr, "fisher": fisher, "high": high, "low": low, "random": random}
)
WITHOUT_STATISTICS = ("high", "low", "random")
"""Strategies that do not depend on images."""

__all__ = [
    "MASKS",
    "WITHOUT_STATISTICS",
    "ClassStatistics",
    "best_frequencies",
    "checked_choice",
    "checked_k",
    "choose_frequencies",
]


def choose_frequencies(
    statistics: ClassStatistics,
    spatial_shape: tuple[int, ...],
    k: int,
    *,
    mask: str = "evr",
    transform: str = "dct",
    seed: int = 0,
) -> NDArray[Any]:
    """The k frequencies of each class, (mask, frequency) uint16 or uint32 flat indices in canonical order.

    Raises `ArgumentError` for a strategy that is not in `MASKS`, a k outside 1 to all frequencies, a negative seed, or
    statistics that the strategy cannot use (a class of one image has no variance, for example). If k is the number of
    all frequencies, all are kept, whatever the statistics.

    >>> import numpy as np
    >>> statistics = ClassStatistics(2, 1, 12)
    >>> statistics.update(np.random.default_rng(0).random((6, 1, 12)), np.array([0, 0, 0, 1, 1, 1]))
    >>> choose_frequencies(statistics, (3, 4), 4, mask="low").tolist()
    [[0, 1, 4, 2], [0, 1, 4, 2]]
    """
    k = checked_choice(mask, k, spatial_shape, transform)
    live = live_frequencies(transform, spatial_shape)
    everything = k == live.sum()
    generator = np.random.default_rng(0 if everything else integer_of("seed", seed, least=0))
    chosen = []
    for moments in statistics.parts():
        score = np.zeros((len(moments), len(live)))
        if not everything:
            score = MASKS[mask](moments, spatial_shape, generator)
        chosen.append(best_frequencies(np.where(live, score, -np.inf), spatial_shape, k))
    return np.concatenate(chosen)


def checked_choice(mask: str, k: int, spatial_shape: tuple[int, ...], transform: str) -> int:
    """As `checked_k`, but also raises `ArgumentError` for a strategy that is not in `MASKS`.

    >>> checked_choice("evr", 40, (8, 8), "dct")
    40
    """
    if not isinstance(mask, str) or mask not in MASKS:
        raise ArgumentError("no such mask strategy", expected=f"one of {sorted(MASKS)}", found=quoted(mask))
    return checked_k(k, spatial_shape, transform)


def checked_k(k: int, spatial_shape: tuple[int, ...], transform: str) -> int:
    """The k as a Python integer. Raises `ArgumentError` if it is out of range for the spatial shape and the
    transform."""
    size = int(live_frequencies(transform, spatial_shape).sum())
    if not is_integer(k) or not 1 <= k <= size:
        raise ArgumentError(
            "k is out of range", expected=f"an integer from 1 to {size}, all frequencies", found=quoted(k)
        )
    return int(k)


def best_frequencies(score: NDArray[np.floating[Any]], spatial_shape: tuple[int, ...], k: int) -> NDArray[Any]:
    """The k frequencies with the highest score (mask, frequency), the coarser of equal ones, in canonical order."""
    wide = np.uint16 if spatial_size(spatial_shape) <= 2**16 else np.uint32
    chosen = np.empty((len(score), k), wide)
    for rows in blocks(len(score), score.itemsize * score.shape[1]):
        coarseness = np.broadcast_to(ranks(spatial_shape), score[rows].shape)
        chosen[rows] = in_order(np.lexsort((coarseness, -score[rows]), axis=-1)[:, :k], spatial_shape)
    return chosen
