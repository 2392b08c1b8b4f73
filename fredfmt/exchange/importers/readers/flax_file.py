"""Checkpoints of flax: msgpack, in which arrays are extension type 1."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits

_ARRAY, _SCALAR = 1, 3
_TYPES = {"bool", "uint8", "int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float32", "float64"}


def read_flax(content: bytes, limits: Limits) -> Any:
    """The tree of a checkpoint, with arrays; bfloat16 becomes float32. Needs the package ``msgpack``."""
    limits_.check(len(content), limits.decoded_bytes, "the file", name="decoded_bytes")
    msgpack = _msgpack()
    try:
        return msgpack.unpackb(content, ext_hook=_extension, raw=False, strict_map_key=False)
    except SourceError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise SourceError("damaged, or not a msgpack file", found=f"{type(error).__name__}: {error}") from None


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError:
        raise SourceError("reading flax checkpoints needs msgpack", hint="pip install msgpack") from None
    return msgpack


def _extension(code: int, payload: bytes) -> Any:
    if code not in (_ARRAY, _SCALAR):
        raise SourceError("an extension of msgpack that is not an array", found=f"type {code}")
    shape, dtype, raw = _msgpack().unpackb(payload, raw=False)
    array = _array(tuple(shape), dtype, raw)
    return array.item() if code == _SCALAR else array


def _array(shape: tuple[int, ...], dtype: str, raw: bytes) -> NDArray[Any]:
    if dtype != "bfloat16" and dtype not in _TYPES:
        raise SourceError("an unsupported type of number", found=dtype)
    kind = np.dtype("<u2" if dtype == "bfloat16" else dtype).newbyteorder("<")
    if min(shape, default=0) < 0 or prod(shape) * kind.itemsize != len(raw):
        raise SourceError(
            "the size of an array contradicts its shape", expected=f"shape {shape}", found=f"{len(raw)} bytes"
        )
    array = np.frombuffer(raw, kind).reshape(shape)
    if dtype == "bfloat16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="))
