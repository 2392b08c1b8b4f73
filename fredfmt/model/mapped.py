"""Memory-mapped arrays, of which only the parts in use are in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from fredfmt.model.blocks import blocks


class Mapped(mmap.mmap):
    """A read-only memory map of a file that nobody changes. Arrays over it remain readable after `release`."""


def pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The elements of an array in row-major order, in parts of at most 4 MiB, of which one at a time is in memory.

    >>> import numpy as np
    >>> [part.size for part in pieces(np.zeros((3, 1 << 19)))]
    [524288, 524288, 524288]
    """
    flat = array.reshape(-1)
    for some in blocks(flat.size, array.dtype.itemsize):
        yield flat[some]
        release(array)


def release(array: NDArray[Any]) -> None:
    """Release the pages of ``array`` from memory, if it is in a `Mapped`.

    If the system does not support this, they stay until it needs the memory.
    """
    base: Any = array
    while base is not None and not isinstance(base, Mapped):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
