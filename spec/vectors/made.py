"""Makes files for the test vectors, valid and invalid, by changes of documents, arrays, entries and bytes."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import google_crc32c
import numpy as np

import fredfmt
from fredfmt.model.data import FreDData
from fredfmt.model.digest import digest_of_document
from fredfmt.model.documents import canonical
from fredfmt.storage.containers import archive, hdf5, hierarchy
from fredfmt.storage.containers.declared import Package, StoredArray, chunk_shape_of
from fredfmt.storage.containers.entries import EntryStore
from fredfmt.storage.containers.hdf5_file import new_file
from fredfmt.storage.containers.package import pack

Arrays = dict[str, np.ndarray]
Entries = dict[str, bytes]
ZERO = "sha256:" + "0" * 64
NOTES: dict[str, Any] = {"k": 5, "step": 0.25, "license": "CC0-1.0", "source": {"name": "made up"}}

VOLUME = [
    [11, 17, 12, 25, 13, 19, 23, 27, 29],
    [0, 6, 16, 20, 21, 12, 22, 27, 24],
    [5, 15, 16, 4, 17, 8, 9, 19, 14],
]
"""Masks of volumes of 2x3x5: two of their frequencies explain equally much, so rounding would choose between them."""


def images(count: int, channels: int, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth made-up pictures by integer arithmetic alone, the same on every machine."""
    grid = np.indices((count, channels, *shape)).astype(np.int64)
    mixed = sum((7 + 4 * axis) * (positions + 1) * (grid[0] + 2) for axis, positions in enumerate(grid))
    return ((mixed % 64) / 64).astype(np.float32)


def data(
    shape: tuple[int, ...] = (3, 5), *, channels: int = 2, count: int = 6, classes: int = 3, **options: Any
) -> FreDData:
    """A small dataset with all the notes that the specification advises."""
    labels = np.arange(count) % classes
    return fredfmt.encode(images(count, channels, shape), labels, **{**NOTES, **options})


def parts(whole: FreDData) -> tuple[dict[str, Any], Arrays]:
    """The metadata document and the stored arrays of a dataset."""
    package = pack(whole)
    document = deepcopy(package.document)
    document["writer"] = {"name": "spec/vectors/build.py"}
    document["mask"], document["reconstruction"] = {"strategy": "made up"}, {}
    return document, {name: stored.read() for name, stored in package.arrays.items()}


def stamped(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its own digest corrected, if it has a field for it."""
    if isinstance(document.get("integrity"), dict):
        document["integrity"]["metadata"] = digest_of_document(document)
    return document


def package(document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Package:
    return Package(document, {name: StoredArray.of(array) for name, array in arrays.items()})


def entries_of(
    document: dict[str, Any], arrays: Mapping[str, np.ndarray], *, compact: bool = False
) -> dict[str, bytes]:
    """The entries of a hierarchy of any document and arrays, in one of the two layouts."""
    with EntryStore() as entries:
        hierarchy.encode(package(stamped(document), arrays), entries, compact=compact)
        return dict(entries)


def file_of(document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A `.fred` file of any document and arrays, valid or invalid."""
    return archive.pack(entries_of(document, arrays))


def compact_of(document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The same in the compact layout."""
    return archive.pack(entries_of(document, arrays, compact=True), compact=True)


def compact(whole: FreDData, **changes: Any) -> bytes:
    """A compact file, its metadata changed."""
    return compact_of(*compact_parts(whole, **changes))


def compact_parts(whole: FreDData, **changes: Any) -> tuple[dict[str, Any], Arrays]:
    """The metadata document and the stored arrays of a dataset in the compact layout."""
    document, _ = parts(whole)
    packed = pack(whole, compact=True)
    counted = {name: packed.document[name] for name in ("counts",) if name in packed.document}
    return {**document, **counted, **changes}, {name: stored.read() for name, stored in packed.arrays.items()}


def grouped(**options: Any) -> FreDData:
    """The small dataset with its instances sorted by class."""
    return fredfmt.encode(images(7, 2, (3, 5)), [0, 0, 0, 1, 1, 2, 2], **{**NOTES, **options})


def softened(whole: FreDData, parts_of: int) -> FreDData:
    """The dataset with soft labels that are multiples of a fraction, in float16."""
    labels = np.zeros((len(whole), len(whole.metadata.classes)), np.float16)
    labels[:, 0] = (parts_of - 1) / parts_of
    labels[np.arange(len(whole)), whole.labels] += np.float16(1 / parts_of)
    return replace(whole, labels=labels)


def with_compact(change: Callable[[dict[str, Any], Arrays], Any], whole: FreDData | None = None) -> bytes:
    """A compact file, its document and stored arrays changed by hand."""
    document, arrays = compact_parts(whole or grouped())
    change(document, arrays)
    return compact_of(document, arrays)


def fred(whole: FreDData, **changes: Any) -> bytes:
    """A `.fred` file, its metadata changed."""
    document, arrays = parts(whole)
    return file_of({**document, **changes}, arrays)


def entries(**changes: Any) -> Entries:
    """The entries of the plain dataset."""
    document, arrays = parts(data(**changes))
    return entries_of(document, arrays)


def with_document(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The plain file, its metadata document changed by hand."""
    document, arrays = parts(data())
    change(document)
    return file_of(document, arrays)


def with_arrays(change: Callable[[Arrays], Any], **options: Any) -> bytes:
    """A file whose stored arrays are changed by hand."""
    document, arrays = parts(data(**options))
    change(arrays)
    return file_of(document, arrays)


def with_entries(change: Callable[[Entries], Any]) -> bytes:
    """The plain file, its entries changed by hand and sorted again."""
    held = entries()
    change(held)
    return archive.pack(dict(sorted(held.items(), key=_place)))


def with_array_document(change: Callable[[dict[str, Any]], Any], name: str = "coefficients") -> bytes:
    def edit(held: Entries) -> None:
        document = json.loads(held[f"{name}/zarr.json"])
        change(document)
        held[f"{name}/zarr.json"] = canonical(document)

    return with_entries(edit)


def with_chunk(change: Callable[[bytearray], Any]) -> bytes:
    """The plain file, the Blosc frame of its coefficients changed and its CRC-32C corrected."""

    def edit(held: Entries) -> None:
        frame = bytearray(held["coefficients/c/0/0/0"][:-4])
        change(frame)
        held["coefficients/c/0/0/0"] = bytes(frame) + google_crc32c.value(bytes(frame)).to_bytes(4, "little")

    return with_entries(edit)


def with_coded(change: Callable[[bytes], bytes]) -> bytes:
    """A compact file, the context-coded bytes of its coefficients changed and their CRC-32C corrected."""
    document, arrays = compact_parts(grouped())
    held = entries_of(document, arrays, compact=True)
    body = change(held["coefficients/c/0/0/0"][:-4])
    held["coefficients/c/0/0/0"] = body + google_crc32c.value(body).to_bytes(4, "little")
    return archive.pack(held, compact=True)


def hdf5_of(build: Callable[[Any, dict[str, np.ndarray]], Any]) -> bytes:
    """An HDF5 file that ``build`` writes from the plain arrays, with a correct user block."""
    document, arrays = parts(data())
    arrays["metadata"] = np.frombuffer(canonical(stamped(document)), np.uint8)
    target = io.BytesIO()
    with new_file(target, space=512) as file:
        build(file, arrays)
    content = target.getvalue()[512:]
    return hdf5.user_block(content) + content


def plain_hdf5(file: Any, arrays: dict[str, np.ndarray], **others: Any) -> None:
    """Datasets as the format requires, except for ``others``: name to keyword arguments of h5py."""
    for name, array in arrays.items():
        options: dict[str, Any] = {"data": array, "chunks": chunk_shape_of(array.dtype, array.shape)}
        options |= {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True}
        file.create_dataset(name, track_times=False, **{**options, **others.get(name, {})})


def _place(item: tuple[str, bytes]) -> tuple[bool, str]:
    return item[0] != "zarr.json", item[0]


def bomb(size: int) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(bytes(size)) + deflater.flush()


def restored(plain: bytes, change: Callable[[bytes], bytes], *, more: int = 0) -> bytes:
    """A compact file with another deflate stream, and another declared size, in an otherwise sound archive."""
    content, stored = plain, archive.Parts(lambda a, b: plain[a:b], len(plain)).stored_sizes["zarr.json"]
    stream = change(content[39 : 39 + stored])
    held = dict(archive.unpack(plain))
    laid, bodies = [], []
    for name, body in held.items():
        root = name == "zarr.json"
        bodies.append(stream if root else bytes(body))
        laid.append(
            archive.Entry(name, len(body) + (more if root else 0), zlib.crc32(body), len(bodies[-1]), 8 if root else 0)
        )
    parts = [part for entry, body in zip(laid, bodies, strict=True) for part in (entry.local_header, body)]
    parts.append(archive._directory(laid))
    return b"".join((*parts, archive._seal(laid, zlib.crc32(b"".join(parts)))))


def repeated_entry(plain: bytes) -> bytes:
    """The plain archive with its last entry twice."""
    held = list(archive.unpack(plain).items())
    return laid_out([(name, bytes(body), zlib.crc32(body)) for name, body in [*held, held[-1]]])


def wrong_crc(plain: bytes) -> bytes:
    """The plain archive with another CRC-32 for its last entry, in both headers."""
    held = [(name, bytes(body), zlib.crc32(body)) for name, body in archive.unpack(plain).items()]
    return laid_out([*held[:-1], (*held[-1][:2], 0x12345678)])


def laid_out(entries: list[tuple[str, bytes, int]]) -> bytes:
    """An archive of entries of (name, content, CRC-32), valid or invalid."""
    laid = [archive.Entry(name, len(body), checksum, len(body)) for name, body, checksum in entries]
    local = b"".join(entry.local_header + body for entry, (_, body, _) in zip(laid, entries, strict=True))
    return local + archive._directory(laid)
