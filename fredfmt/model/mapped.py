"""Arrays in a file, of which only the parts in use are in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from fredfmt.model.blocks import blocks


class Mapped(mmap.mmap):
    """A file that nobody changes, as memory that is read only. An array over it can be read again after `release`."""


def pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """All numbers of an array, row-major, in parts of at most 4 MiB, of which one at a time stays in memory.

    >>> import numpy as np
    >>> [part.size for part in pieces(np.zeros((3, 1 << 19)))]
    [524288, 524288, 524288]
    """
    flat = array.reshape(-1)
    for some in blocks(flat.size, array.dtype.itemsize):
        yield flat[some]
        release(array)


def release(array: NDArray[Any]) -> None:
    """Give the pages back that reading ``array`` has brought into memory, if it lies in a `Mapped`.

    Where the system cannot do that, they stay until it needs them for something else.
    """
    base: Any = array
    while base is not None and not isinstance(base, Mapped):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
