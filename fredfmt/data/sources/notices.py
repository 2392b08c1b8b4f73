"""Warnings about what a source omits or chooses, logged once per process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def warn_once(message: str) -> None:
    """Log a warning once; it is shown on stderr unless the program configures logging."""
    _log.warning("%s", message)


def warn_of_omissions(where: str, count: int, left_out: Mapping[str, int]) -> None:
    """Log how many images a source has, and how many items of each kind it omits, if any.

    >>> warn_of_omissions("folder:pets", 20, {})
    """
    if left_out:
        reasons = ", ".join(f"{what} ({number:,})" for what, number in sorted(left_out.items()))
        warn_once(f"{where}: {count:,} images are read; omitted: {reasons}")


def warn_of_own_split(where: str, selection: str, more: str = "") -> None:
    """Log once that a source has no test split; ``selection`` describes the images of either split."""
    warn_once(f"{where}: no test split; held out as one: {selection.removeprefix('without ')}{more}")
