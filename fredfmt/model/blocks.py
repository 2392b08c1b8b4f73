"""Splits large arrays into blocks, so that intermediate results stay small."""

from __future__ import annotations

from collections.abc import Iterator

BYTES = 4 << 20
"""Bytes of a block."""


def blocks(length: int, item_bytes: int) -> Iterator[slice]:
    """Split ``length`` items of ``item_bytes`` bytes each into slices of at most 4 MiB, or of one item.

    >>> list(blocks(5, 2 << 20))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    items = max(1, BYTES // max(1, item_bytes))
    for start in range(0, length, items):
        yield slice(start, min(start + items, length))
