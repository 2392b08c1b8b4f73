"""Files in the compact layout, valid and invalid."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from made import (
    VOLUME,
    Arrays,
    _place,
    bomb,
    compact,
    compact_parts,
    data,
    entries_of,
    grouped,
    restored,
    softened,
    with_array_document,
    with_coded,
    with_compact,
)
from vectors import Vectors

from fredfmt.model.documents import canonical
from fredfmt.storage.containers import archive


def build_compact(to: Vectors) -> None:
    plain = compact(grouped())
    rules = "122 212 400 401 402 404 405 406 407 501 502 503"
    to.valid("FRED-406-compact", rules, "the compact layout, labels counted", plain)
    document, arrays = compact_parts(grouped())
    folder = entries_of(document, arrays, compact=True)
    note = "the same in a directory, where documents are not deflated"
    to.valid("FRED-410-compact", "410 501", note, plain, folder, suffix=".fred.zarr")
    note = "labels in no order are stored"
    to.valid("FRED-502-compact-labels", "502", note, compact(data()))
    whole = softened(grouped(), 16)
    to.valid("FRED-213-sixteenths", "213", "soft labels as integers, masks counted", compact(whole))
    to.valid("FRED-213-halves", "213", "the same in halves, in no order", compact(softened(data(), 2)))
    shared = replace(grouped(), mask_of=np.array([2, 0, 1, 1, 0, 2, 1], np.uint8))
    to.valid("FRED-212-one-array", "212", "labels counted, masks stored", compact(shared))
    note = "a base of integers under the context coder"
    to.valid("FRED-506-base", "506 203", note, compact(grouped(base=True)))
    great = replace(grouped(), coefficients=(grouped().coefficients.astype(np.int32) + 2) << 20)
    to.valid("FRED-506-int32", "506 203", "great numbers under the context coder", compact(great))
    to.invalid(
        "FRED-506-cut", with_coded(lambda body: body[: len(body) // 2]), "context-coded bytes that are cut short"
    )
    to.invalid("FRED-506-more", with_coded(lambda body: body + b"\0"), "a byte after the context-coded ones")
    to.invalid("FRED-506-empty", with_coded(lambda _: b""), "a chunk of a checksum alone")
    signed = with_array_document(lambda document: document.update(data_type="int16"))
    to.invalid("FRED-203-signed", signed, "signed integers in Blosc")
    document, arrays = compact_parts(grouped())
    held = entries_of(document, arrays, compact=True)
    root = json.loads(held["zarr.json"])
    root["consolidated_metadata"]["metadata"]["coefficients"]["data_type"] = "uint16"
    content = archive.pack({**held, "zarr.json": canonical(root)}, compact=True)
    to.invalid("FRED-203-unsigned", content, "unsigned coefficients under the context coder")
    exact = grouped(step=None, base=True)
    to.valid("FRED-406-floats", "406", "exact coefficients with a base, compact", compact(exact))

    def counts(**counted: Any) -> bytes:
        return with_compact(lambda document, arrays: document.update(counts=counted))

    to.invalid("FRED-122-empty", counts(), "counts of nothing")
    to.invalid("FRED-122-negative", counts(labels=[4, -1, 4]), "a negative count")
    to.invalid("FRED-113-counts", counts(labels=[3, 3, True]), "true for a count")
    to.invalid("FRED-212-sum", counts(labels=[3, 1, 2]), "an instance too few")
    to.invalid("FRED-212-classes", counts(labels=[3, 4]), "a class too few")
    to.invalid("FRED-212-huge", counts(labels=[2**53 - 1, 1, 2]), "more instances than memory holds")
    both = with_compact(lambda document, arrays: arrays.update(labels=np.zeros(7, np.uint8)))
    to.invalid("FRED-212-both", both, "labels counted and stored")

    def uneven(document: dict[str, Any], arrays: Arrays) -> None:
        arrays["labels"] = arrays["labels"].copy()
        arrays["labels"][3, 0] += 1

    to.invalid("FRED-213-uneven", with_compact(uneven, whole), "one row of seventeen sixteenths")

    def thirds(document: dict[str, Any], arrays: Arrays) -> None:
        arrays["labels"] = np.ones((7, 3), np.uint8)

    to.invalid("FRED-213-thirds", with_compact(thirds, whole), "thirds, which are not exact")

    def wide(document: dict[str, Any], arrays: Arrays) -> None:
        arrays["labels"] = arrays["labels"].astype(np.uint16)

    to.invalid("FRED-203-wide-labels", with_compact(wide, whole), "soft labels in 16-bit integers")
    to.invalid("FRED-407-checksum", plain[:-1] + bytes([plain[-1] ^ 1]), "another checksum of the archive")
    to.invalid("FRED-401-no-checksum", plain[:-4], "the checksum is missing")
    to.invalid("FRED-406-cut", restored(plain, lambda stream: stream[:-1]), "the deflate stream is cut short")
    to.invalid("FRED-406-more", restored(plain, lambda stream: stream + b"\0"), "a byte after the deflate stream")
    to.invalid("FRED-406-size", restored(plain, lambda stream: stream, more=1), "a byte less than is declared")
    to.invalid("FRED-406-bomb", restored(plain, lambda _: bomb(1 << 22)), "inflates to four times the limit")
    note = "a document of 4 GiB"
    to.invalid("FRED-303-deflated", restored(plain, lambda stream: stream, more=2**32 - 8192), note)
    held = entries_of(document, arrays, compact=True)
    doubled = {**held, "coefficients/zarr.json": canonical({})}
    content = archive.pack(dict(sorted(doubled.items(), key=_place)), compact=True)
    to.invalid("FRED-503-document", content, "a document beside the consolidated ones")
    root = json.loads(held["zarr.json"])
    root["consolidated_metadata"]["must_understand"] = 0
    content = archive.pack({**held, "zarr.json": canonical(root)}, compact=True)
    to.invalid("FRED-501-zero", content, "0 for false in the consolidated metadata")
    root = json.loads(held["zarr.json"])
    del root["consolidated_metadata"]["metadata"]["frequencies"]
    content = archive.pack({**held, "zarr.json": canonical(root)}, compact=True)
    to.invalid("FRED-502-consolidated", content, "no document for the frequencies")

    def changed(index: tuple[int, int], value: int) -> Callable[[dict[str, Any], Arrays], None]:
        def edit(document: dict[str, Any], arrays: Arrays) -> None:
            arrays["frequencies"] = arrays["frequencies"].copy()
            arrays["frequencies"][index] = value

        return edit

    def fewer(document: dict[str, Any], arrays: Arrays) -> None:
        changed((1, int(arrays["frequencies"][1].argmax())), 0)(document, arrays)

    def longer(document: dict[str, Any], arrays: Arrays) -> None:
        arrays["frequencies"] = np.pad(arrays["frequencies"], ((0, 0), (0, 15)))

    def many(document: dict[str, Any], arrays: Arrays) -> None:
        document["spatial_shape"] = [1 << 9, 1 << 9]
        bits = ((1 << 17) + 1) // 3
        arrays["frequencies"] = np.pad(arrays["frequencies"], ((0, 0), (0, bits - arrays["frequencies"].shape[1])))

    def empty(document: dict[str, Any], arrays: Arrays) -> None:
        arrays["frequencies"] = np.zeros_like(arrays["frequencies"])

    to.valid("FRED-214-bits", "214", "masks as bits, ties in their order", compact(grouped(k=11)))
    to.valid("FRED-214-volume", "214", "the same of volumes", compact(data((2, 3, 5), k=9, mask=VOLUME)))
    huge = compact(grouped(), spatial_shape=[1 << 20, 1 << 20])
    to.invalid("FRED-303-large-bits", huge, "masks as bits of an image of 2^40 positions")
    to.invalid("FRED-214-two", with_compact(changed((1, 0), 2)), "2 for a bit")
    to.invalid("FRED-214-fewer", with_compact(fewer), "a frequency less in one mask")
    to.invalid("FRED-214-none", with_compact(empty), "masks of nothing")
    to.invalid("FRED-214-long", with_compact(longer), "more bits than there are frequencies")
    to.invalid("FRED-214-many", with_compact(many), "2^17 + 1 bits")
