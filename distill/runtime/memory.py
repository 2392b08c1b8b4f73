"""Memory that was freed stays with the process, so that the next step finds it without page faults."""

from __future__ import annotations

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt."""
_FREE = 1 << 30
"""Bytes of free memory at the end of the heap above which some goes back to the system."""
_PADDING = 64 << 20
"""Bytes that are asked for beyond what is needed."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep memory that is freed, up to 1 GB. True if it does now.

    A step of a distillation allocates the same activations again and again. By default large blocks come from the
    system one by one and go back to it, and it clears each of their pages when it is first touched: for many classes
    this took half of the time. A C library without ``mallopt`` (musl, macOS) and settings of the user's own
    (``MALLOC_...``, ``GLIBC_TUNABLES``) are left alone. Holds for the process from now on, and is done once.
    """
    own = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" and not own else None
    if mallopt is None:
        return False
    wanted = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _FREE, _TOP_PAD: _PADDING}
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted.items())
