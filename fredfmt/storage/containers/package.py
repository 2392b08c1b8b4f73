"""The content of every container, one metadata document and a few plain arrays, from a `FreDData` and back.

Two profiles of one content. The *core* profile stores every array as plain numbers. The *compact* profile stores less:
labels and masks of sorted instances are counts in the document (`fredfmt.storage.containers.counts`), soft labels that
are multiples of 1/128 or coarser are integers (`shares`), and masks are bits (`bits`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import AbandonedError, FormatError, IntegrityError, check, located, together
from fredfmt.model import limits as limits_
from fredfmt.model.data import ARRAYS, FreDData, expect_data
from fredfmt.model.digest import digest_of_data, digest_of_document
from fredfmt.model.metadata import Metadata
from fredfmt.model.selection import PER_INSTANCE, Classes, class_numbers, rows_of
from fredfmt.storage.containers import bits, counts, shares
from fredfmt.storage.containers.declared import (
    Package,
    StoredArray,
    check_integrity,
    check_limits,
    chunk_shape_of,
    read_metadata,
    soundly_declared,
)
from fredfmt.storage.containers.zigzag import ZIGZAG, unzigzag, zigzag


def pack(data: FreDData, *, compact: bool = False) -> Package:
    """The package of a dataset: integers zigzag-mapped to unsigned, digests filled in."""
    expect_data(data)
    arrays = {}
    document = data.metadata.to_json()
    for name in ARRAYS:
        array = getattr(data, name)
        if array is None or (name == "mask_of" and data.masks_are_labels):
            continue
        if compact and name in counts.COUNTED and (counted := counts.of(array, _lengths(data)[name])) is not None:
            document.setdefault(counts.FIELD, {})[name] = counted
            continue
        arrays[name] = _stored(name, array, data.metadata, compact)
    document["integrity"] = {"content": digest_of_data(data)}
    document["integrity"]["metadata"] = digest_of_document(document)
    return Package(document, arrays)


def _lengths(data: FreDData) -> dict[str, int]:
    """The number of different values that each array of `counts.COUNTED` may have."""
    return {"labels": len(data.metadata.classes), "mask_of": len(data.frequencies)}


def _stored(name: str, array: NDArray[Any], metadata: Metadata, compact: bool) -> StoredArray:
    """The stored form of an array of a dataset; the reverse of `_meant`."""
    if name in ZIGZAG and array.dtype.kind == "i":
        return StoredArray.of(array).mapped("u", zigzag)
    if compact and name == "labels" and (parts := shares.of(array)) is not None:
        return StoredArray.of(parts)
    if compact and name == "frequencies" and (kept := bits.of(array, metadata.spatial_shape)) is not None:
        return StoredArray.of(kept)
    return StoredArray.of(array)


def _meant(name: str, array: NDArray[Any], metadata: Metadata | None) -> NDArray[Any]:
    """The array of a dataset from its stored form."""
    if name in ZIGZAG and array.dtype.kind == "u":
        return unzigzag(array)
    if name == "labels" and array.ndim == 2 and array.dtype == np.uint8:
        return shares.back(array)
    if name == "frequencies" and array.dtype == np.uint8:
        if metadata is None:
            raise AbandonedError("not checked")
        return bits.back(array, metadata.spatial_shape)
    return array


def unpack(package: Package, *, verify: bool = True, limits: limits_.Limits = limits_.DEFAULT) -> FreDData:
    """The dataset of a package; the reverse of `pack`.

    All declarations are checked against the format and the limits before any array is read. Raises `FormatError`,
    `LimitError` and, if ``verify`` is set and the digests do not match, `IntegrityError`.
    """
    with together():
        metadata = None
        if package.document is not None:
            with check(), located("metadata"):
                read = Metadata.from_json(package.document)
                _check_image(read, limits)
                metadata = read  # only after its size is checked, which the masks are decoded by
        with check():
            check_integrity(package.document)
        package = _with_counted(package, metadata)
        check_limits(package, limits)
        arrays = {}
        for name in soundly_declared(package):
            with check(), located(name):
                arrays[name] = _meant(name, package.arrays[name].read(), metadata)
    if metadata is None or package.broken:
        raise AbandonedError("not checked")
    with together():
        data = FreDData(metadata=metadata, **arrays)
    if verify:
        _check_digest(data, package.document["integrity"]["content"])
    return data


def unpack_classes(package: Package, which: Classes, *, limits: limits_.Limits = limits_.DEFAULT) -> FreDData | None:
    """The instances of some classes, as `fredfmt.model.selection.of_classes` gives them, from the chunks that hold
    them.

    None if these are all chunks of the coefficients, or if arrays contradict each other, which `unpack` then reports.
    Declarations are checked as in `unpack`. The content digest covers the whole and cannot be verified.
    """
    metadata = check_declared(package, limits=limits)
    package = _with_counted(package, metadata)
    with located("labels"):
        labels = _meant("labels", package.arrays["labels"].read(), metadata)
    rows = rows_of(labels, class_numbers(which, metadata.classes))
    lengths = {package.arrays[name].shape[0] for name in PER_INSTANCE if name in package.arrays}
    coefficients = package.arrays["coefficients"]
    chunk = chunk_shape_of(coefficients.dtype, coefficients.shape)[0]
    if lengths != {len(labels)} or len(np.unique(rows // chunk)) * chunk >= len(labels):
        return None
    arrays = {}
    for name, stored in package.arrays.items():
        with located(name):
            array = stored.read() if name not in PER_INSTANCE else stored.read_rows(rows)
        arrays[name] = _meant(name, array, metadata)
    return FreDData(metadata=metadata, **arrays)


def check_declared(package: Package, *, limits: limits_.Limits = limits_.DEFAULT) -> Metadata:
    """The metadata of a package, after all checks that `unpack` makes before it reads an array."""
    metadata = read_metadata(package.document)
    _check_image(metadata, limits)
    package = _with_counted(package, metadata)
    check_limits(package, limits)
    soundly_declared(package)
    return metadata


def _check_image(metadata: Metadata, limits: limits_.Limits) -> None:
    size = math.prod(metadata.spatial_shape)
    limits_.check(size, limits.spatial_size, "the size of an image", name="spatial_size")
    limits_.check(size * metadata.channels, limits.image_values, "the size of all channels", name="image_values")


def _with_counted(package: Package, metadata: Metadata | None) -> Package:
    """The package with the arrays whose counts are in its document; they are allocated when they are read."""
    document = package.document
    if not isinstance(document, dict) or counts.FIELD not in document:
        return package
    if metadata is None or "coefficients" not in package.arrays:
        return replace(package, broken=package.broken | {*counts.COUNTED})
    arrays, broken = dict(package.arrays), set(package.broken)
    instances = package.arrays["coefficients"].shape[0]
    masks = package.arrays["frequencies"].shape[0] if "frequencies" in package.arrays else None
    lengths = {"labels": len(metadata.classes), "mask_of": masks}
    for name, counted in document[counts.FIELD].items():
        broken.add(name)
        with check(), located(f"metadata: {counts.FIELD}.{name}"):
            if name in package.arrays:
                raise FormatError("stored both as counts and as an array", rule="FRED-212")
            counts.check(counted, lengths[name], instances)
            dtype = np.min_scalar_type(len(counted) - 1)
            arrays[name] = StoredArray(dtype, (instances,), lambda counted=counted: counts.back(counted))  # type: ignore[misc]
            broken.discard(name)
    return replace(package, arrays=arrays, broken=frozenset(broken))


def _check_digest(data: FreDData, expected: str) -> None:
    if (found := digest_of_data(data)) != expected:
        raise IntegrityError(
            "the content digest does not match: the arrays or the metadata were damaged or edited",
            where="integrity.content",
            expected=expected,
            found=found,
            hint="Get the file again from its source",
            rule="FRED-702",
        )


def with_metadata(data: FreDData, **changes: Any) -> FreDData:
    """The same arrays with changed metadata, for example results; the content digest changes only with its own
    fields."""
    return replace(data, metadata=replace(data.metadata, **changes))
