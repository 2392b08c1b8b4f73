"""A package as one HDF5 file, `.fred.h5`: flat datasets, built-in filters, and the SHA-256 of the file in the user
block."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, FredError, IntegrityError, check, located
from fredfmt.model import limits as limits_
from fredfmt.model.documents import canonical, parse
from fredfmt.storage.containers.declared import Package, StoredArray, check_size, chunk_shape_of
from fredfmt.storage.containers.hdf5_file import Target, new_file
from fredfmt.storage.containers.hdf5_filters import FILTERS, decode_chunk

MAGIC = b"fredfmt 1.0 sha256:"
_BLOCK = 512
_THOROUGH, _EFFORT = 2 << 20, 4
"""The largest array in bytes that is compressed at the highest level, and the level for larger ones: 60 times as fast,
11 % larger."""
_PIECE = 1 << 20
"""The most bytes that are read in one call."""
_DOCUMENT = "metadata"


def write(package: Package, stream: IO[bytes]) -> None:
    """Write the HDF5 file of a package into an empty file, chunk by chunk."""
    target = Target(stream)
    with target.error_raised(), new_file(target, space=_BLOCK) as file:
        _write(file, _DOCUMENT, StoredArray.of(np.frombuffer(canonical(package.document), np.uint8)))
        for name, stored in package.arrays.items():
            _write(file, name, stored)
    stream.seek(_BLOCK)
    header = _header(_hash_of_rest(stream))
    stream.seek(0)
    stream.write(header)


def decode(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> Package:
    """The package in an HDF5 file; each array is read when it is accessed.

    The user block's checksum over all other bytes is verified before the HDF5 library sees any of them, so accidental
    damage never reaches it. The library only gives the positions of the chunks; they are decoded here, into memory of
    the declared size. Links other than hard ones, groups, external and virtual storage, attributes, types that are not
    plain numbers and other filters are refused.
    """
    stream = io.BytesIO(content)
    check_seal(stream)
    return declared(stream, len(content), limits=limits)


def check_seal(stream: IO[bytes]) -> None:
    """Raise `IntegrityError` unless the user block has the checksum of what follows, which is read in pieces."""
    stream.seek(0)
    if stream.read(_BLOCK) != _header(_hash_of_rest(stream)):
        raise IntegrityError(
            "the checksum in the user block does not match: the file is damaged, cut short or was edited",
            where="user block",
            hint="Get the file again, or change it with fredfmt",
            rule="FRED-601",
        )


def _hash_of_rest(stream: IO[bytes]) -> str:
    """The SHA-256 of the bytes from the position of a file on."""
    state = hashlib.sha256()
    while piece := stream.read(_PIECE):
        state.update(piece)
    return state.hexdigest()


def declared(stream: IO[bytes], size: int, *, limits: limits_.Limits = limits_.DEFAULT) -> Package:
    """The package in an HDF5 file of ``size`` bytes that is known to be undamaged; arrays are read while it is open."""
    import h5py

    with _translated("FRED-602"):
        file = h5py.File(stream, "r")
        names = sorted(file)
    with file:
        limits_.check(len(names), limits.entries, "the number of objects", name="entries")
        with check(), _translated("FRED-602"):
            if len(file.attrs):
                raise FormatError("attributes are not allowed", where="/", rule="FRED-602")
        arrays = {}
        for name in names:
            with check(), located(name), _translated("FRED-602"):
                arrays[name] = _stored_array(stream, name, _dataset(file, name, limits))
    document = None
    with check():
        document = _document(arrays, limits)
    broken = frozenset(names) - set(arrays) - {_DOCUMENT}
    return Package(document, {name: array for name, array in arrays.items() if name != _DOCUMENT}, size, broken)


def stored_sizes(file: IO[bytes]) -> dict[str, int]:
    """The bytes of the chunks of each dataset in a valid file."""
    import h5py

    with h5py.File(file, "r") as opened:
        return {name: opened[name].id.get_storage_size() for name in opened}


def _document(arrays: dict[str, StoredArray], limits: limits_.Limits) -> Any:
    """The metadata document, which is also a dataset."""
    if _DOCUMENT not in arrays:
        raise FormatError(
            "the metadata are missing", expected=f"a dataset {_DOCUMENT}", found=sorted(arrays), rule="FRED-602"
        )
    stored = arrays[_DOCUMENT]
    with located(_DOCUMENT):
        limits_.check(stored.nbytes, limits.json_bytes, "the JSON document", name="json_bytes")
        if stored.dtype != np.uint8 or len(stored.shape) != 1:
            raise FormatError(
                "wrong dtype or shape", expected="bytes", found=(stored.shape, stored.dtype.name), rule="FRED-605"
            )
        return parse(stored.read().tobytes(), limits=limits)


@contextmanager
def _translated(rule: str) -> Iterator[None]:
    """Turn any exception of h5py about the file into a `FormatError`."""
    try:
        yield
    except FredError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise FormatError("HDF5 cannot read it", found=f"{type(error).__name__}: {error}", rule=rule) from None


def user_block(content: bytes | memoryview) -> bytes:
    """The 512 bytes before ``content``: the format's name and the SHA-256 of all following bytes (FRED-601)."""
    return _header(hashlib.sha256(content).hexdigest())


def _header(digest: str) -> bytes:
    return (MAGIC + digest.encode() + b"\n").ljust(_BLOCK, b"\0")


def _write(file: Any, name: str, stored: StoredArray) -> None:
    chunk_shape = chunk_shape_of(stored.dtype, stored.shape)
    dataset = file.create_dataset(
        name,
        shape=stored.shape,
        dtype=stored.dtype.newbyteorder("<"),
        chunks=chunk_shape,
        compression="gzip",
        compression_opts=9 if stored.nbytes <= _THOROUGH else _EFFORT,
        shuffle=True,
        fletcher32=True,
        track_times=False,
    )
    for start in range(0, stored.shape[0], chunk_shape[0]):
        stop = min(start + chunk_shape[0], stored.shape[0])
        dataset[start:stop] = stored.read_rows(np.arange(start, stop))


def _dataset(file: Any, name: str, limits: limits_.Limits) -> Any:
    """The dataset of that name, if `encode` could have written it."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise FormatError("a soft or external link", expected="hard links only", rule="FRED-602")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or len(dataset.attrs):
        raise FormatError("not a dataset, or one with attributes", found=type(dataset).__name__, rule="FRED-602")
    if not _is_plain(dataset) or not dataset.shape or min(dataset.shape) < 1:
        raise FormatError(
            "not an array of plain little-endian numbers",
            found=f"{type(dataset.id.get_type()).__name__} {dataset.dtype} {dataset.shape}",
            rule="FRED-605",
        )
    if dataset.dtype.kind == "i":
        raise FormatError(
            "wrong dtype", expected="unsigned integers or floats", found=dataset.dtype.name, rule="FRED-203"
        )
    check_size(dataset.dtype, dataset.shape, limits)
    properties = dataset.id.get_create_plist()
    if properties.get_layout() != h5py.h5d.CHUNKED or properties.get_external_count():
        raise FormatError(
            "external, virtual or unchunked storage", expected="chunks in the file itself", rule="FRED-603"
        )
    filters = tuple(properties.get_filter(i)[0] for i in range(properties.get_nfilters()))
    if filters != FILTERS:
        raise FormatError(
            "other filters", expected="shuffle, deflate and fletcher32", found=f"numbers {filters}", rule="FRED-604"
        )
    expected = chunk_shape_of(dataset.dtype, dataset.shape)
    if dataset.chunks != expected:
        raise FormatError("wrong chunk shape", expected=expected, found=dataset.chunks, rule="FRED-603")
    if dataset.maxshape != dataset.shape:
        raise FormatError("a shape that can grow", expected=dataset.shape, found=dataset.maxshape, rule="FRED-603")
    rows = -(-dataset.shape[0] // expected[0])
    if dataset.id.get_num_chunks() != rows:
        raise FormatError(
            "a chunk is missing", expected=f"{rows} chunks", found=dataset.id.get_num_chunks(), rule="FRED-603"
        )
    return dataset


def _is_plain(dataset: Any) -> bool:
    """Whether the type is a number of NumPy in little-endian order, in all of its bits, so that HDF5 converts nothing
    when it reads."""
    from h5py import h5t

    kind = dataset.id.get_type()
    if dataset.dtype.kind not in "uif" or kind.committed():
        return False
    return bool(kind == h5t.py_create(dataset.dtype.newbyteorder("<")))


def _stored_array(stream: IO[bytes], name: str, dataset: Any) -> StoredArray:
    dtype, shape = dataset.dtype.newbyteorder("="), dataset.shape

    def read() -> NDArray[Any]:
        import h5py

        result = np.empty(shape, dtype.newbyteorder("<"))
        chunk_shape = chunk_shape_of(dtype, shape)
        with _translated("FRED-603"), h5py.File(stream, "r") as file:
            for start in range(0, shape[0], chunk_shape[0]):
                offset = (start, *(0,) * (len(shape) - 1))
                mask, stored = file[name].id.read_direct_chunk(offset)
                with located(f"chunk at {start}"):
                    decode_chunk(stored, mask, result[start : start + chunk_shape[0]], math.prod(chunk_shape))
        return result.astype(dtype, copy=False)

    return StoredArray(dtype, shape, read)
