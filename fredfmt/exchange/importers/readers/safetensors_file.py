"""``.safetensors``: a JSON header and the tensors' bytes."""

from __future__ import annotations

import json
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits

METADATA = "__metadata__"
_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "BF16": "<u2",
}


def read_safetensors(content: bytes, limits: Limits) -> dict[str, Any]:
    """The tensors by name, and the strings of ``__metadata__``; bfloat16 becomes float32."""
    limits_.check(len(content), limits.decoded_bytes, "the file", name="decoded_bytes")
    length = int.from_bytes(content[:8], "little")
    limits_.check(length, limits.json_bytes, "the header", name="json_bytes")
    try:
        header = json.loads(content[8 : 8 + length].decode("utf-8"))
        return {
            name: dict(entry) if name == METADATA else _tensor(content, 8 + length, **entry)
            for name, entry in header.items()
        }
    except SourceError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SourceError("damaged, or not a safetensors file", found=f"{type(error).__name__}: {error}") from None


def _tensor(content: bytes, start: int, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    first, last = data_offsets
    if dtype not in _TYPES:
        raise SourceError("an unsupported type of number", expected=", ".join(_TYPES), found=dtype)
    kind = np.dtype(_TYPES[dtype])
    if min(shape, default=0) < 0 or first < 0 or last - first != prod(shape) * kind.itemsize:
        raise SourceError(
            "the offsets of a tensor contradict its shape", found=f"shape {shape}, bytes {first} to {last}"
        )
    if start + last > len(content):
        raise SourceError("a tensor is cut short", found=f"{len(content)} bytes")
    array = np.frombuffer(content, kind, prod(shape), start + first).reshape(shape)
    if dtype == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="))
