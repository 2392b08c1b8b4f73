"""The content of a container before its arrays are read, and its checks against the format and the limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, IntegrityError, check, located
from fredfmt.model import limits as limits_
from fredfmt.model.data import ARRAYS
from fredfmt.model.digest import digest_of_document
from fredfmt.model.mapped import release
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import DIGEST

DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "coefficients": ("instance", "channel", "frequency"),
    "frequencies": ("mask", "frequency"),
    "labels": ("instance", "class"),
    "mask_of": ("instance",),
    "base": ("mask", "channel", "frequency"),
}
"""The axes of each stored array, in order. Hard labels have only the first axis of labels."""

DTYPES: Mapping[str, tuple[str, ...]] = {
    "coefficients": ("uint16", "uint32", "int16", "int32", "float16", "float32"),
    "frequencies": ("uint8", "uint16", "uint32"),
    "labels": ("uint8", "uint16", "uint32", "float16", "float32"),
    "mask_of": ("uint8", "uint16", "uint32"),
    "base": ("uint16", "uint32", "int16", "int32", "float16", "float32"),
}

CHUNK_BYTES = 16 << 20
"""An array of up to this many bytes is one chunk; a larger one is cut along its first axis. See `chunk_shape_of`."""

_REQUIRED = ("coefficients", "frequencies", "labels")
_RATIO_FLOOR = 64 << 20


@dataclass(frozen=True)
class StoredArray:
    """An array as a container declares it: nothing is read before ``read`` is called."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
    some: Callable[[NDArray[np.intp]], NDArray[Any]] | None = None
    """Reads some rows only, if the container can."""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def read_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Read some rows of the first axis; their indices are in ascending order."""
        return self.read()[rows] if self.some is None else self.some(rows)

    @classmethod
    def of(cls, array: NDArray[Any]) -> StoredArray:
        """An array in memory, or in a file that is mapped (`fredfmt.model.mapped`).

        >>> StoredArray.of(np.array([[3, 4], [5, 6]])).read_rows(np.array([1]))
        array([[5, 6]])
        """

        def some(rows: NDArray[np.intp]) -> NDArray[Any]:
            found: NDArray[Any] = array[rows]
            release(array)
            return found

        return cls(array.dtype, array.shape, lambda: array, some)

    def mapped(self, kind: str, function: Callable[[NDArray[Any]], NDArray[Any]]) -> StoredArray:
        """The array with an elementwise ``function`` applied, which keeps the width of the numbers but not their kind.

        >>> StoredArray.of(np.array([3, 4], np.int16)).mapped("u", lambda array: array.astype("u2")).read()
        array([3, 4], dtype=uint16)
        """
        dtype = np.dtype(f"{kind}{self.dtype.itemsize}")
        return StoredArray(
            dtype, self.shape, lambda: function(self.read()), lambda rows: function(self.read_rows(rows))
        )


@dataclass(frozen=True)
class Package:
    """The content of a container."""

    document: Any
    """The metadata as JSON, including ``integrity``."""
    arrays: Mapping[str, StoredArray]
    size: int = 0
    """Bytes of the file that it was read from."""
    broken: frozenset[str] = frozenset()
    """Arrays that are present but stored in a way that the format forbids; always empty outside `collecting`."""


def read_metadata(document: Any) -> Metadata:
    """The metadata of a document, their digest verified."""
    with located("metadata"):
        metadata = Metadata.from_json(document)
    check_integrity(document)
    return metadata


def check_integrity(document: Any) -> None:
    """Check the metadata digest, where there is a document."""
    if not isinstance(document, dict):
        return
    integrity = document.get("integrity")
    with located("metadata"):
        if (
            not isinstance(integrity, dict)
            or set(integrity) != {"content", "metadata"}
            or not all(isinstance(value, str) and DIGEST.fullmatch(value) for value in integrity.values())
        ):
            raise FormatError(
                "missing or malformed",
                where="integrity",
                expected="the digests content and metadata, each sha256: followed by 64 lower-case hexadecimal digits",
                rule="FRED-701",
            )
        found = digest_of_document(document)
        if found != integrity["metadata"]:
            raise IntegrityError(
                "the metadata digest does not match: the metadata were damaged or edited",
                where="integrity.metadata",
                expected=integrity["metadata"],
                found=found,
                hint="Get the file again, or change metadata with fredfmt",
                rule="FRED-703",
            )


def check_limits(package: Package, limits: limits_.Limits) -> None:
    total = 0
    for name, stored in package.arrays.items():
        with located(name):
            total += check_size(_decoded_dtype(name, stored), stored.shape, limits)
            limits_.check(total, limits.decoded_bytes, "the decoded size", name="decoded_bytes")
            if total > _RATIO_FLOOR:
                most = package.size * limits.decoded_ratio
                limits_.check(total, most, "the decoded size against the file's", name="decoded_ratio")


def _decoded_dtype(name: str, stored: StoredArray) -> np.dtype[Any]:
    """The dtype of an array in memory: probabilities that are stored as integers become float16."""
    shares = name == "labels" and len(stored.shape) == 2 and stored.dtype == np.uint8
    return np.dtype(np.float16) if shares else stored.dtype


def soundly_declared(package: Package) -> list[str]:
    """The arrays whose declared dtype and shape the format allows."""
    sound: list[str] = []
    with check():
        unknown = sorted(set(package.arrays) - set(ARRAYS))
        missing = sorted(set(_REQUIRED) - set(package.arrays) - package.broken)
        if unknown or missing:
            raise FormatError(
                "arrays are missing" if missing else "unknown arrays",
                expected=", ".join(missing or ARRAYS),
                found=", ".join(unknown) if unknown else None,
                rule="FRED-201",
            )
    for name, stored in package.arrays.items():
        with check(), located(name):
            if name not in DTYPES:
                continue
            if stored.dtype.name not in DTYPES[name]:
                raise FormatError(
                    "wrong dtype", expected=" or ".join(DTYPES[name]), found=stored.dtype.name, rule="FRED-203"
                )
            axes = len(DIMENSIONS[name])
            if len(stored.shape) != axes and not (name == "labels" and len(stored.shape) == 1):
                raise FormatError(
                    "wrong number of axes", expected=DIMENSIONS[name], found=stored.shape, rule="FRED-202"
                )
            if min(stored.shape) < 1:
                raise FormatError("an axis is empty", found=stored.shape, rule="FRED-202")
            sound.append(name)
    return sound


def check_size(dtype: np.dtype[Any], shape: tuple[int, ...], limits: limits_.Limits) -> int:
    """The decoded size of an array in bytes. Raises `LimitError` if the array alone exceeds the limits."""
    size = math.prod(shape) * dtype.itemsize
    limits_.check(max(shape, default=1), limits.axis, "an axis", name="axis")
    limits_.check(size, limits.decoded_bytes, "the decoded size", name="decoded_bytes")
    return size


def chunk_shape_of(dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The chunk shape of an array, as the format defines it: cut along the first axis, with as many rows as
    `CHUNK_BYTES` hold."""
    rows = max(1, CHUNK_BYTES // (math.prod(shape[1:]) * dtype.itemsize))
    return (min(shape[0], rows), *shape[1:])
