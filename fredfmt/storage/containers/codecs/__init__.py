"""The codecs of chunks: one Zarr codec chain per module, all with the same functions.

Each module has ``dtypes`` (the dtypes in which it can store an array of the format), ``documents`` (its chain in an
array's document) and ``decode`` (from the bytes of a chunk, without their checksum, to the array). zarr encodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.storage.containers.codecs import blosc, context


@dataclass(frozen=True)
class Codec:
    """The functions of one codec."""

    dtypes: Callable[[str], tuple[str, ...]]
    documents: Callable[[np.dtype[Any], int], list[dict[str, Any]]]
    decode: Callable[[memoryview, np.dtype[Any], tuple[int, ...]], NDArray[Any]]


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "blosc": Codec(blosc.dtypes, blosc.documents, blosc.decode),
        "context": Codec(context.dtypes, context.documents, context.decode),
    }
)
