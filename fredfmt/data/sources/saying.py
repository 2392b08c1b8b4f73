"""What a source left out or chose by itself, said once in the log of this process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def say_once(message: str) -> None:
    """A warning, which is on stderr unless the program sets up logging otherwise."""
    _log.warning("%s", message)


def say_left_out(where: str, count: int, left_out: Mapping[str, int]) -> None:
    """How many images a source has and, where it leaves out anything, what and how much of it.

    >>> say_left_out("folder:pets", 20, {})
    """
    if left_out:
        reasons = ", ".join(f"{what} ({number:,})" for what, number in sorted(left_out.items()))
        say_once(f"{where}: {count:,} images are read; left out: {reasons}")
