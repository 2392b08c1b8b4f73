"""A package as the keys and values of a Zarr v3 hierarchy, in one of two layouts.

In the *core* layout each array has a separate document and any Zarr reader opens it. In the *compact* layout the
documents of the arrays are in the root document, as Zarr's consolidated metadata. That makes a small file a third
smaller; zarr-python opens it.

Writing uses zarr-python. Reading does not: it accepts only the array documents that `array_document` makes, decodes
every chunk into memory of the declared size, and reports a missing chunk as an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, IntegrityError, check, located
from fredfmt.model import limits as limits_
from fredfmt.model.blocks import blocks
from fredfmt.model.data import ARRAYS
from fredfmt.model.documents import canonical, check_document, difference, parse_node
from fredfmt.model.metadata import Metadata
from fredfmt.storage.coder import NAME
from fredfmt.storage.containers.codecs import CODECS, context
from fredfmt.storage.containers.declared import (
    DIMENSIONS,
    Package,
    StoredArray,
    check_size,
    chunk_shape_of,
    read_metadata,
)
from fredfmt.storage.containers.entries import EntryStore
from fredfmt.storage.containers.names import ROOT

ATTRIBUTE = "fred"

_THOROUGH, _EFFORT = 2 << 20, 8
"""The largest array in bytes that is compressed at level 9, and the level for larger ones: six times as fast, 4 %
larger. The document always says 9, as a reader does not need the level."""


def encode(package: Package, entries: EntryStore, *, compact: bool = False, slow: bool = False) -> None:
    """Add the entries of the hierarchy of a package to ``entries``; one chunk at a time is in memory.

    In the compact layout each array of integers is stored with the codec that gives the fewest bytes. Codecs that would
    decode slowly are considered only with ``slow``.
    """
    documents: dict[str, Any] = {}
    for name, stored in package.arrays.items():
        quick = slow or math.prod(stored.shape) <= context.QUICK
        suited = context.suited(name, stored) if compact and quick else None
        if suited is None:
            documents[name] = _add_coded(entries, name, "blosc", stored)
        else:
            documents[name] = _add_fewest(entries, name, {"context": suited, "blosc": stored})
        if not compact:
            entries.add(f"{name}/{ROOT}", canonical(documents[name]))
    entries.add(ROOT, canonical(root_document(package.document, documents if compact else None)))


def _add_fewest(entries: EntryStore, name: str, choice: Mapping[str, StoredArray]) -> dict[str, Any]:
    """Add the chunks of an array, encoded with the codec of ``choice`` that gives the fewest bytes (of equal ones the
    first). Returns the document of the array."""
    coded = []
    with ExitStack() as stack:
        for codec, stored in choice.items():
            chunks = stack.enter_context(EntryStore())
            coded.append((_add_coded(chunks, name, codec, stored), chunks))
        fewest, chunks = min(coded, key=lambda pair: pair[1].size)
        for key, content in chunks.items():
            entries.add(key, content)
    return fewest


def decode(entries: Mapping[str, Any], size: int, *, limits: limits_.Limits = limits_.DEFAULT) -> Package:
    """The package in the entries of a hierarchy from a file of ``size`` bytes; each array is decoded when it is read.

    If the root document is wrong nothing else is examined, because it locates the documents of the arrays.
    """
    document, documents = _root(entries, limits)
    held = {key.split("/", 1)[0] for key in entries} - {ROOT}
    names = sorted({*held, *(documents or ())})
    arrays = {}
    for name in names:
        with check(), located(name):
            if name not in ARRAYS:
                raise FormatError(
                    "an entry that does not belong here", expected=f"arrays {', '.join(ARRAYS)}", rule="FRED-503"
                )
            arrays[name] = _stored_array(name, entries, documents, limits)
    return Package(document, arrays, size, frozenset(names) - set(arrays))


def metadata(root: Any, *, limits: limits_.Limits = limits_.DEFAULT) -> Metadata:
    """The metadata in the root document of a hierarchy, verified by their digest; the arrays are not read."""
    return read_metadata(_root({ROOT: root}, limits)[0])


def root_document(document: Any, arrays: Mapping[str, Any] | None) -> dict[str, Any]:
    """The root document: the metadata and, in the compact layout, the documents of the arrays."""
    root = {"zarr_format": 3, "node_type": "group", "attributes": {ATTRIBUTE: document}}
    if arrays is not None:
        root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": dict(arrays)}
    return root


def _root(entries: Mapping[str, Any], limits: limits_.Limits) -> tuple[Any, dict[str, Any] | None]:
    """The metadata document in the root of the hierarchy and, in the compact layout, the documents of the arrays."""
    if ROOT not in entries:
        raise FormatError("the root document is missing", expected=ROOT, found=list(entries)[:3], rule="FRED-501")
    with located(ROOT):
        root = parse_node(bytes(entries[ROOT]), limits=limits)
        fields = root if isinstance(root, dict) else {}
        attributes, consolidated = fields.get("attributes"), fields.get("consolidated_metadata")
        document = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
        arrays = consolidated.get("metadata") if isinstance(consolidated, dict) else None
        if not isinstance(arrays, dict):
            arrays = None
        if document is None or difference(root, root_document(document, arrays)) is not None:
            raise FormatError(
                "not the root of a fred hierarchy",
                expected="one group whose only attribute is fred, with or without consolidated metadata",
                rule="FRED-501",
            )
        check_document(document, limits=limits)
    return document, arrays


def array_document(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], codec: str = "blosc") -> dict[str, Any]:
    """The Zarr v3 document of an array, in the only form that the format allows for a codec of `CODECS`."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape_of(dtype, shape))}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0 if dtype.kind == "f" else 0,
        "codecs": CODECS[codec].documents(dtype, len(shape)),
        "dimension_names": list(DIMENSIONS[name][: len(shape)]),
    }


def _with_effort(codec: dict[str, Any]) -> dict[str, Any]:
    """The codec with the compression level for large arrays."""
    if codec["name"] != "blosc":
        return codec
    return {**codec, "configuration": {**codec["configuration"], "clevel": _EFFORT}}


def _add_coded(entries: EntryStore, name: str, codec: str, stored: StoredArray) -> dict[str, Any]:
    """Encode and add the chunks of an array, of which one at a time is in memory. Returns the document of the array."""
    import zarr
    from zarr.registry import register_codec
    from zarr.storage import MemoryStore, StorePath

    from fredfmt.storage.coder.zarr_codec import ContextCodec

    register_codec(NAME, ContextCodec)  # for a package that is not installed and so has no entry points
    store: dict[str, Any] = {}
    written = document = array_document(name, stored.dtype, stored.shape, codec)
    if stored.nbytes > _THOROUGH:
        written = {**document, "codecs": [_with_effort(each) for each in document["codecs"]]}
    with zarr.config.set({"array.write_empty_chunks": True}):
        target = zarr.Array.from_dict(StorePath(MemoryStore(store)), written)
        for start in range(0, stored.shape[0], target.chunks[0]):
            stop = min(start + target.chunks[0], stored.shape[0])
            target[start:stop] = stored.read_rows(np.arange(start, stop))
            for key, content in store.items():
                entries.add(f"{name}/{key}", content.to_bytes())
            store.clear()
    return document


def _stored_array(
    name: str, entries: Mapping[str, Any], documents: Mapping[str, Any] | None, limits: limits_.Limits
) -> StoredArray:
    """An array from its document, which is in ``documents`` or, if that is None, a separate entry."""
    with located(ROOT):
        if documents is None:
            content = entries.get(f"{name}/{ROOT}")
            document = None if content is None else parse_node(bytes(content), limits=limits)
        else:
            content = document = documents.get(name)
        if content is None:
            raise FormatError("the array's document is missing", rule="FRED-502")
        dtype, shape, codec = _declared(name, document)
        check_size(dtype, shape, limits)
    chunk_shape = chunk_shape_of(dtype, shape)
    chunks = -(-shape[0] // chunk_shape[0])  # along the first axis only
    limits_.check(chunks, limits.entries, "the number of chunks", name="entries")
    keys = ["/".join(("c", str(number), *("0" for _ in shape[1:]))) for number in range(chunks)]
    present = {key.removeprefix(f"{name}/") for key in entries if key.split("/", 1)[0] == name}
    if documents is None:
        present -= {ROOT}
    with check():
        if unknown := sorted(present - set(keys)):
            raise FormatError("an entry that does not belong here", where=unknown[0], rule="FRED-503")
    if missing := sorted(set(keys) - present):
        raise FormatError(
            "a chunk is missing",
            where=missing[0],
            expected=f"{len(keys)} chunks",
            found=len(keys) - len(missing),
            rule="FRED-503",
        )

    def chunk(number: int) -> NDArray[Any]:
        with located(keys[number]):
            return _decode_chunk(entries[f"{name}/{keys[number]}"], dtype, chunk_shape, codec)

    def read() -> NDArray[Any]:
        result = np.empty(shape, dtype)
        for number in range(len(keys)):
            target = result[number * chunk_shape[0] : (number + 1) * chunk_shape[0]]
            target[...] = chunk(number)[: len(target)]
        return result

    def some(rows: NDArray[np.intp]) -> NDArray[Any]:
        holders = rows // chunk_shape[0]
        return np.concatenate(
            [chunk(int(number))[rows[holders == number] - number * chunk_shape[0]] for number in np.unique(holders)]
        )

    return StoredArray(dtype, shape, read, some)


def _declared(name: str, document: Any) -> tuple[np.dtype[Any], tuple[int, ...], str]:
    """The dtype, shape and codec of a document, which must be exactly what `array_document` makes for them."""
    if not isinstance(document, dict) or not isinstance(document.get("shape"), list) or "data_type" not in document:
        raise FormatError("not a Zarr v3 array document", rule="FRED-502")
    dtype_name, shape = document["data_type"], tuple(document["shape"])
    codec = "context" if document.get("codecs") == context.documents(np.dtype("u1"), len(shape)) else "blosc"
    allowed = CODECS[codec].dtypes(name)
    if dtype_name not in allowed:
        raise FormatError("wrong data_type", expected=" or ".join(allowed), found=dtype_name, rule="FRED-203")
    axes = {1, 2} if name == "labels" else {len(DIMENSIONS[name])}
    if len(shape) not in axes or not all(type(length) is int and length > 0 for length in shape):
        raise FormatError(
            "unusable shape",
            expected=f"{' or '.join(map(str, sorted(axes)))} lengths of at least 1 ({', '.join(DIMENSIONS[name])})",
            found=list(shape[:9]),
            rule="FRED-202",
        )
    dtype = np.dtype(dtype_name)
    if (differs := difference(document, array_document(name, dtype, shape, codec))) is not None:
        where, found, expected = differs
        raise FormatError("not the profile of the format", where=where, expected=expected, found=found, rule="FRED-502")
    return dtype, shape, codec


def _decode_chunk(content: Any, dtype: np.dtype[Any], shape: tuple[int, ...], codec: str) -> NDArray[Any]:
    body, checksum = memoryview(content)[:-4], bytes(content[-4:])
    if len(checksum) < 4 or _crc32c(body) != int.from_bytes(checksum, "little"):
        raise IntegrityError(
            "the chunk's crc32c does not match: it is damaged or cut short",
            hint="Get the file again from its source",
            rule="FRED-504",
        )
    return CODECS[codec].decode(body, dtype, shape)


def _crc32c(content: memoryview) -> int:
    """The checksum of a chunk, which is not copied as a whole."""
    import google_crc32c

    checksum = 0
    for some in blocks(len(content), 1):
        checksum = google_crc32c.extend(checksum, bytes(content[some]))
    return checksum
