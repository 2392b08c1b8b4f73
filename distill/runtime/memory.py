"""Keeps freed memory in the process, so that the next step can reuse it without page faults, and returns it where
another computation begins."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt."""
_FREE = 1 << 30
"""Bytes of free memory at the end of the heap above which glibc returns memory to the system."""
_PADDING = 64 << 20
"""Bytes that glibc requests from the system in addition to those needed."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory, up to 1 GB. Returns whether it does.

    Every step of a distillation allocates the same activations. By default large blocks are requested from the system
    and returned to it, and the system clears each page when it is first used: with many classes this took half of the
    time. Nothing is changed for a C library without ``mallopt`` (musl, macOS), and if the user has set ``MALLOC_...``
    or ``GLIBC_TUNABLES``. The effect is permanent for the process.
    """
    own = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = _c_function("mallopt")
    if own or mallopt is None:
        return False
    wanted = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _FREE, _TOP_PAD: _PADDING}
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted.items())


def return_freed_memory() -> None:
    """Return freed memory to the system, which is useful before a computation of another kind: its arrays have other
    sizes. Only glibc has ``malloc_trim``; with another C library nothing happens."""
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def _c_function(name: str) -> Any:
    """A function of the C library, or None if it has none of this name."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
