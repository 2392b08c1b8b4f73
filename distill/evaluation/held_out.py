"""Real images set aside, on which choices are made: a source and settings in, two sources out."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig

_SPLITS: WeakKeyDictionary[Source, tuple[tuple[float, int], tuple[Source, Source]]] = WeakKeyDictionary()
"""How each source was split last: the parts are the same objects, and what is known of them stays known."""


def held_out(source: Source, config: DistillConfig) -> tuple[Source, Source | None]:
    """The images that a run learns from, and those that it sets aside, if it does.

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
        known = _SPLITS[source] = (share, seed), source.split_off(share, seed)
    return known[1]
