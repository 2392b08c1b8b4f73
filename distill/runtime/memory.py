"""Memory that was freed stays with the process, so that the next step finds it without page faults."""

from __future__ import annotations

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's mallopt."""
_LARGEST = 32 << 20
"""Bytes of the largest block that glibc can keep; larger ones come from the system and go back to it."""
_FREE = 1 << 30
"""Bytes of free memory at the end of the heap above which some goes back to the system."""
_PADDING = 64 << 20


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep blocks of up to 32 MB that are freed. True if it does now.

    A step of a distillation allocates the same activations again and again. By default every block of more than a few
    hundred kB comes from the system, which clears each of its pages when it is first touched: for large images this
    took half of the time. A C library without ``mallopt`` (musl, macOS) and settings of the user's own
    (``MALLOC_...``, ``GLIBC_TUNABLES``) are left alone. Holds for the process from now on, and is done once.
    """
    own = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" and not own else None
    if mallopt is None:
        return False
    wanted = {_MMAP_THRESHOLD: _LARGEST, _TRIM_THRESHOLD: _FREE, _TOP_PAD: _PADDING}
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted.items())
