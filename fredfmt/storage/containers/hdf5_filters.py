"""Undoes the filters of a chunk of an HDF5 file: shuffle, deflate and fletcher32."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, IntegrityError
from fredfmt.model.blocks import blocks

FILTERS = (2, 1, 3)
"""HDF5's identifiers of shuffle, deflate and fletcher32, in the order in which a writer applies them."""
_PIECE = 1 << 20
"""The most bytes that are inflated in one call: zlib holds its input and output twice."""


def decode_chunk(stored: bytes, mask: int, rows: NDArray[Any], elements: int) -> None:
    """Undo fletcher32, deflate and shuffle of a chunk with this number of elements; ``rows`` receive the first of
    them."""
    body = memoryview(stored)[:-4]
    if mask or len(stored) < 4 or fletcher32(body) != int.from_bytes(stored[-4:], "little"):
        raise IntegrityError("the chunk's fletcher32 does not match: it is damaged", rule="FRED-604")
    size = rows.dtype.itemsize
    into, at = rows.reshape(-1).view(np.uint8).reshape(-1, size), 0
    for piece in _inflated(body, elements * size):
        while len(piece):
            byte, element = divmod(at, elements)  # the first bytes of all elements precede the second ones
            part = piece[: elements - element]
            kept = part[: max(0, len(into) - element)]
            into[element : element + len(kept), byte] = kept
            at, piece = at + len(part), piece[len(part) :]


def _inflated(body: memoryview, size: int) -> Iterator[NDArray[np.uint8]]:
    """What a zlib stream inflates to, in pieces. Raises `FormatError` unless it is exactly ``size`` bytes."""
    inflater = zlib.decompressobj()
    try:
        for start in range(0, len(body), _PIECE):
            fed: bytes | memoryview = body[start : start + _PIECE]
            full = True
            while size >= 0 and (fed or full) and not inflater.unused_data:
                most = min(_PIECE, size + 1)
                piece = inflater.decompress(fed, most)
                fed, full, size = inflater.unconsumed_tail, len(piece) == most, size - len(piece)
                yield np.frombuffer(piece if size >= 0 else b"", np.uint8)
    except zlib.error as error:
        raise FormatError("the chunk cannot be decompressed", found=str(error), rule="FRED-604") from None
    if size or inflater.unused_data or not inflater.eof:
        raise FormatError("the chunk is not of the declared size", rule="FRED-604")


def fletcher32(data: bytes | memoryview) -> int:
    """HDF5's variant of Fletcher's checksum: two sums over big-endian 16-bit words, modulo 65535."""
    even = len(data) // 2 * 2
    words = np.frombuffer(data[:even], ">u2")
    last = np.frombuffer(bytes(data[even:]).ljust(2, b"\0"), ">u2")[: len(data) - even]
    first = second = 0
    for block in (*(words[some] for some in blocks(len(words), 8)), last):
        wide = block.astype(np.uint64)
        second = (second + len(wide) * first + int((wide * np.arange(len(wide), 0, -1, dtype=np.uint64)).sum())) % 65535
        first = (first + int(wide.sum())) % 65535
    # HDF5 reduces its sums by adding carries, so a sum above 0 never becomes 0
    if words.any() or last.any():
        first, second = first or 65535, second or 65535
    return second << 16 | first
