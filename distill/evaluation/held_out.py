"""Splits off held-out real images, on which choices are made."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.errors import ArgumentError

_SHARE, _MOST = 0.1, 5000
LEAST = 10
"""If a class has fewer images, none of them are held out."""
_SPLITS: WeakKeyDictionary[Source, tuple[tuple[float, int], tuple[Source, Source]]] = WeakKeyDictionary()
"""The last split of each source, so that its parts stay the same objects and what is cached for them is used again."""


def share_held_out(source: Source) -> float:
    """The share of the images to hold out for a choice: a tenth, and at most 5000 images.

    >>> from fredfmt import open_source
    >>> share_held_out(open_source("digits"))
    0.1
    """
    return min(_SHARE, _MOST / len(source))


def held_out(source: Source, config: DistillConfig) -> tuple[Source, Source | None]:
    """The images from which a run learns, and the held-out images, or None if it holds none out.

    >>> from fredfmt import open_source
    >>> rest, held = held_out(open_source("digits"), DistillConfig(held_out=0.2))
    >>> len(rest), len(held)
    (1038, 259)
    """
    share, seed = config.run.held_out, config.run.seed
    if not share:
        return source, None
    known = _SPLITS.get(source)
    if known is None or known[0] != (share, seed):
        known = _SPLITS[source] = (share, seed), split(source, share, seed)
    return known[1]


def split(source: Source, share: float, seed: int) -> tuple[Source, Source]:
    """The rest and a random ``share`` of every class; where half of the classes have `LEAST` images, of these only. The
    image of a class with a single one stays with the rest. Raises `ArgumentError` if all classes have a single image.
    """
    if source.counts.max() < 2:
        raise ArgumentError(
            "no images can be held out, as every class has a single one",
            where=source.name,
            hint="Use hard labels (--labels hard), which need no held-out images",
        )
    return source.split_off(share, seed, least=LEAST if most_can_be_split(source) else 2)


def most_can_be_split(source: Source) -> bool:
    """Whether at least half of the classes have `LEAST` images."""
    return float(np.median(source.counts)) >= LEAST
