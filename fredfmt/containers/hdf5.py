"""A package as one HDF5 file, `.fred.h5`: flat datasets, built-in filters, and a sha256 of it all in the user block."""

from __future__ import annotations

import hashlib
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt import limits as limits_
from fredfmt.containers.package import CHUNK_BYTES, Package, StoredArray
from fredfmt.documents import canonical, parse
from fredfmt.errors import FormatError, IntegrityError, located

MAGIC = b"fredfmt 1.0 sha256:"
_BLOCK = 512
_DOCUMENT = "metadata"
_FILTER_NAMES = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
_FILTERS = set(_FILTER_NAMES.values())


def encode(package: Package) -> bytes:
    """The HDF5 file of a package."""
    import h5py

    target = io.BytesIO()
    with h5py.File(target, "w", userblock_size=_BLOCK, libver=("v110", "v110")) as file:
        _write(file, _DOCUMENT, np.frombuffer(canonical(package.document), np.uint8))
        for name, stored in package.arrays.items():
            _write(file, name, stored.read())
    content = target.getvalue()[_BLOCK:]
    return _user_block(content) + content


def decode(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> Package:
    """The package in an HDF5 file; arrays are read when they are asked for.

    The user block's checksum over all other bytes is verified before the HDF5 library sees any of them, so accidental
    damage never reaches it. Links other than hard ones, groups, external and virtual storage, attributes, types that
    are not plain numbers and filters that HDF5 does not carry itself are refused.
    """
    import h5py

    if content[:_BLOCK] != _user_block(content[_BLOCK:]):
        raise IntegrityError(
            "the checksum in the user block does not match: the file is damaged, cut short or was edited",
            where="user block",
            hint="Get the file again, or change it with fredfmt",
        )
    try:
        file = h5py.File(io.BytesIO(content), "r")
    except OSError as error:
        raise FormatError("HDF5 cannot open it", found=str(error)) from None
    with file:
        limits_.check(len(file), limits.entries, "the number of objects", name="entries")
        if len(file.attrs):
            raise FormatError("attributes do not belong here", where="/", found=list(file.attrs)[:3])
        arrays = {name: _stored_array(content, name, _dataset(file, name)) for name in sorted(file)}
    if _DOCUMENT not in arrays:
        raise FormatError("the metadata are missing", expected=f"a dataset {_DOCUMENT}", found=sorted(arrays))
    stored = arrays.pop(_DOCUMENT)
    with located(_DOCUMENT):
        limits_.check(stored.nbytes, limits.json_bytes, "the JSON document", name="json_bytes")
        if stored.dtype != np.uint8 or len(stored.shape) != 1:
            raise FormatError("wrong dtype or shape", expected="bytes", found=(stored.shape, stored.dtype.name))
        document = parse(stored.read().tobytes(), limits=limits)
    return Package(document, arrays, len(content))


def _user_block(content: bytes) -> bytes:
    return (MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n").ljust(_BLOCK, b"\0")


def _write(file: Any, name: str, array: NDArray[Any]) -> None:
    rows = max(1, CHUNK_BYTES // (math.prod(array.shape[1:]) * array.dtype.itemsize))
    file.create_dataset(
        name,
        data=array.astype(array.dtype.newbyteorder("<"), copy=False),
        chunks=(min(len(array), rows), *array.shape[1:]),
        compression="gzip",
        compression_opts=9,
        shuffle=True,
        fletcher32=True,
        track_times=False,
    )


def _dataset(file: Any, name: str) -> Any:
    """The dataset of that name, if it is one that `encode` could have made."""
    import h5py

    with located(name):
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise FormatError("a soft or external link", expected="hard links only")
        if file.get(name, getclass=True) is not h5py.Dataset:
            raise FormatError("not a dataset", found=file.get(name, getclass=True).__name__)
        dataset = file[name]
        properties = dataset.id.get_create_plist()
        filters = {_FILTER_NAMES.get(properties.get_filter(i)[0], "unknown") for i in range(properties.get_nfilters())}
        if len(dataset.attrs):
            raise FormatError("attributes do not belong here", found=list(dataset.attrs)[:3])
        if properties.get_layout() != h5py.h5d.CHUNKED or properties.get_external_count():
            raise FormatError("external, virtual or unchunked storage", expected="chunks in the file itself")
        if not filters <= _FILTERS:
            raise FormatError("unknown filters", expected=sorted(_FILTERS), found=sorted(filters))
        if (
            not isinstance(dataset.id.get_type(), h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID)
            or dataset.shape is None
        ):
            raise FormatError("not an array of plain numbers", found=dataset.dtype)
        if dataset.dtype.byteorder == ">":
            raise FormatError("wrong byte order", expected="little endian", found="big endian")
        chunks = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > 4 * CHUNK_BYTES:
            raise FormatError(
                "chunks are too large", expected=f"{4 * CHUNK_BYTES:,} bytes at most", found=dataset.chunks
            )
        if dataset.id.get_num_chunks() != chunks:
            raise FormatError("a chunk is missing", expected=f"{chunks} chunks", found=dataset.id.get_num_chunks())
    return dataset


def _stored_array(content: bytes, name: str, dataset: Any) -> StoredArray:
    dtype, shape = dataset.dtype.newbyteorder("="), dataset.shape

    def read() -> NDArray[Any]:
        import h5py

        result = np.empty(shape, dtype)
        try:
            with h5py.File(io.BytesIO(content), "r") as file:
                file[name].read_direct(result)
        except OSError as error:
            raise IntegrityError("HDF5 cannot read it", found=str(error)) from None
        return result

    return StoredArray(dtype, shape, read)
