"""``.npz`` and ``.npy`` files of plain arrays; headers are compared with the stored bytes before arrays are
allocated."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError, located
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits

_SMALL = 64 << 20
_UNREADABLE = (ValueError, TypeError, SyntaxError, AttributeError, EOFError, RecursionError, MemoryError)
"""The exceptions of numpy, and of the parser that it uses, for malformed headers and shapes."""


def read_npz(content: bytes, limits: Limits) -> dict[str, NDArray[Any]]:
    """The arrays of an archive by name. Objects are refused, never unpickled."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            limits_.check(len(entries), limits.entries, "the number of arrays", name="entries")
            total = sum(entry.file_size for entry in entries)
            limits_.check(total, limits.decoded_bytes, "all arrays", name="decoded_bytes")
            if total > _SMALL:
                limits_.check(total, limits.decoded_ratio * len(content), "all arrays", name="decoded_ratio")
            arrays = {}
            for entry in entries:
                with located(entry.filename), archive.open(entry) as stream:
                    arrays[entry.filename.removesuffix(".npy")] = _array(stream, entry.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError("damaged, or not a zip archive", found=f"{type(error).__name__}: {error}") from None


def read_npy(content: bytes, limits: Limits) -> NDArray[Any]:
    """The one array of a file."""
    limits_.check(len(content), limits.decoded_bytes, "the array", name="decoded_bytes")
    return _array(io.BytesIO(content), len(content))


def _array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """The array in ``size`` bytes of ``stream``."""
    try:
        version = np.lib.format.read_magic(stream)
        reading = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if reading is None:
            raise SourceError("an unknown version of .npy", found=version)
        shape, fortran, dtype = reading(stream)
    except SourceError:
        raise
    except (*_UNREADABLE, tokenize.TokenError) as error:
        words = (str(error).splitlines() or [""])[0]
        raise SourceError("not an array", found=f"{type(error).__name__}: {words}") from None
    if dtype.kind not in "biufUS" or dtype.itemsize == 0:
        raise SourceError("not plain numbers or strings", found=dtype, hint="Objects are never unpickled")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize > size:
        raise SourceError(
            "an array claims more bytes than are stored", expected=f"at most {size} bytes", found=f"shape {shape}"
        )
    raw = stream.read(prod(shape) * dtype.itemsize)
    if len(raw) != prod(shape) * dtype.itemsize:
        raise SourceError("an array is cut short", expected=f"shape {shape}", found=f"{len(raw)} bytes")
    try:
        array = np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
        return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(shape)
    except _UNREADABLE as error:
        raise SourceError("an impossible shape", found=f"{type(error).__name__}: {error}") from None
