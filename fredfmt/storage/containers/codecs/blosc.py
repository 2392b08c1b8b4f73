"""Chunks compressed with Blosc: fast for any size, and readable by any Zarr reader, as only core codecs of Zarr are
used.

Coefficients are stored frequency by frequency (a transpose) and bit-shuffled when they are integers; on coefficients of
Fashion-MNIST this is smaller than every other order and shuffle (docs/decisions/codec.md).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError
from fredfmt.storage.containers.declared import DTYPES

_HEADER = struct.Struct("<BBBBIII")
_VERSIONS = 2, 1
_FLAGS = {"shuffle": 0x91, "bitshuffle": 0x94}
"""Flags of the header: Zstandard, streams not split, and the shuffle."""
_PLAIN = 0x02
"""The flag for content that is stored uncompressed."""


def dtypes(name: str) -> tuple[str, ...]:
    return tuple(dtype for dtype in DTYPES[name] if not dtype.startswith("int"))


def documents(dtype: np.dtype[Any], axes: int) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    if axes == 3:
        chain.append({"name": "transpose", "configuration": {"order": [2, 1, 0]}})
    chain.append({"name": "bytes", "configuration": {"endian": "little"}} if dtype.itemsize > 1 else {"name": "bytes"})
    frame = {"typesize": dtype.itemsize, "cname": "zstd", "clevel": 9, "shuffle": _shuffle(dtype, axes), "blocksize": 0}
    return [*chain, {"name": "blosc", "configuration": frame}, {"name": "crc32c"}]


def decode(body: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    from numcodecs import blosc

    order = (2, 1, 0) if len(shape) == 3 else tuple(range(len(shape)))
    result = np.empty([shape[axis] for axis in order], dtype.newbyteorder("<"))
    header = body[: _HEADER.size]
    if len(header) < _HEADER.size:
        raise FormatError(
            "not a Blosc frame", expected=f"at least {_HEADER.size} bytes", found=len(body), rule="FRED-505"
        )
    version, inner, flags, typesize, size, block, stored = _HEADER.unpack(header)
    shuffle = _FLAGS[_shuffle(dtype, len(shape))]
    if (version, inner) != _VERSIONS or flags & ~_PLAIN != shuffle:
        raise FormatError(
            "not a Blosc frame of Zstandard with the array's shuffle",
            expected=f"versions {_VERSIONS}, flags {shuffle:#x} or {shuffle | _PLAIN:#x}",
            found=f"versions {(version, inner)}, flags {flags:#x}",
            rule="FRED-505",
        )
    if size != result.nbytes or stored != len(body) or typesize != dtype.itemsize or not 0 < block <= size:
        raise FormatError(
            "the Blosc header contradicts the array's document",
            expected=f"{result.nbytes} bytes of {dtype.itemsize} in {len(body)}, blocks no larger",
            found=f"{size} bytes of {typesize} in {stored}, blocks of {block}",
            rule="FRED-505",
        )
    threads, blosc.use_threads = blosc.use_threads, False
    try:
        blosc.decompress(body, result)
    except (RuntimeError, ValueError) as error:
        raise FormatError("the chunk cannot be decompressed", found=str(error), rule="FRED-505") from None
    finally:
        blosc.use_threads = threads
    return result.transpose(order)


def _shuffle(dtype: np.dtype[Any], axes: int) -> str:
    return "bitshuffle" if axes == 3 and dtype.kind == "u" else "shuffle"
