"""A package as one HDF5 file, `.fred.h5`: flat datasets, built-in filters, and the SHA-256 of the file in the user
block."""

from __future__ import annotations

import hashlib
import io
import math
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, FredError, IntegrityError, check, located
from fredfmt.model import limits as limits_
from fredfmt.model.blocks import blocks
from fredfmt.model.documents import canonical, parse
from fredfmt.storage.containers.declared import Package, StoredArray, check_size, chunk_shape_of

MAGIC = b"fredfmt 1.0 sha256:"
_BLOCK = 512
_THOROUGH, _EFFORT = 2 << 20, 4
"""The largest array in bytes that is compressed at the highest level, and the level for larger ones: 60 times as fast,
11 % larger."""
_PIECE = 1 << 20
"""The most bytes that are read or inflated in one call: zlib holds its input and output twice."""
_DOCUMENT = "metadata"
_FILTERS = (2, 1, 3)
"""HDF5's identifiers of shuffle, deflate and fletcher32, in the order in which a writer applies them."""


def write(package: Package, stream: IO[bytes]) -> None:
    """Write the HDF5 file of a package into an empty file, chunk by chunk."""
    target = _Target(stream)
    with target.error_raised(), new_file(target, space=_BLOCK) as file:
        _write(file, _DOCUMENT, StoredArray.of(np.frombuffer(canonical(package.document), np.uint8)))
        for name, stored in package.arrays.items():
            _write(file, name, stored)
    stream.seek(_BLOCK)
    header = _header(_hash_of_rest(stream))
    stream.seek(0)
    stream.write(header)


class _Target:
    """A file object for the HDF5 library, from which errors of the system are hidden: it does not handle them well.

    The first error is kept, and nothing is read or written after it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._error: OSError | None = None

    @contextmanager
    def error_raised(self) -> Iterator[None]:
        """Raise the first error, if there was one, when the block ends."""
        try:
            yield
        except (OSError, RuntimeError):
            if self._error is None:
                raise
        if self._error is not None:
            raise self._error

    def _tried(self, method: Callable[..., int | None], *arguments: Any) -> int:
        if self._error is None:
            try:
                return method(*arguments) or 0
            except OSError as error:
                self._error = error
        return 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._tried(self._stream.seek, offset, whence)

    def tell(self) -> int:
        return self._tried(self._stream.tell)

    def readinto(self, buffer: Any) -> int:
        return self._tried(self._stream.readinto, buffer)  # type: ignore[attr-defined]  # all files of bytes have it

    def write(self, content: Any) -> int:
        return self._tried(self._stream.write, content)

    def truncate(self, size: int) -> int:
        return self._tried(self._stream.truncate, size)

    def flush(self) -> None:
        self._tried(self._stream.flush)


def new_file(target: Any, *, space: int = 0) -> Any:
    """An empty `h5py.File` in a file object or at a path, without a time stamp, after ``space`` unused bytes.

    HDF5 before 2.0 stores the time of creation in the root group by default, and `h5py.File` has no option against it.
    """
    from h5py import File, h5f, h5fd, h5p

    creation, access = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    creation.set_userblock(space)
    creation.set_obj_track_times(False)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    if not isinstance(target, str):
        access.set_fileobj_driver(h5fd.fileobj_driver, target)
    name = target if isinstance(target, str) else "fredfmt"
    return File(h5f.create(os.fsencode(name), h5f.ACC_TRUNC, creation, access))


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
    """The metadata document, which is a dataset beside the arrays."""
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
    if filters != _FILTERS:
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
                    _decode_chunk(stored, mask, result[start : start + chunk_shape[0]], math.prod(chunk_shape))
        return result.astype(dtype, copy=False)

    return StoredArray(dtype, shape, read)


def _decode_chunk(stored: bytes, mask: int, rows: NDArray[Any], elements: int) -> None:
    """Undo fletcher32, deflate and shuffle of a chunk of so many elements; ``rows`` receive the first of them."""
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
