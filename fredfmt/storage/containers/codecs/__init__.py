"""How a chunk of an array becomes bytes: a Zarr codec chain per module, all of one shape.

Each module has ``dtypes`` (in which types it stores an array of the format), ``documents`` (its chain in an array's
document) and ``decode`` (the bytes of a chunk, without their checksum, back to the array). Writing goes through zarr.
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
    """One way to store chunks."""

    dtypes: Callable[[str], tuple[str, ...]]
    documents: Callable[[np.dtype[Any], int], list[dict[str, Any]]]
    decode: Callable[[bytes, np.dtype[Any], tuple[int, ...]], NDArray[Any]]


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "blosc": Codec(blosc.dtypes, blosc.documents, blosc.decode),
        "context": Codec(context.dtypes, context.documents, context.decode),
    }
)
