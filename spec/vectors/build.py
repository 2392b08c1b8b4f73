"""Build the test vectors: small files, each with a case.json that says what a reader has to find in it.

    python spec/vectors/build.py [DIRECTORY]

The bytes are the same on every run; a test builds them anew and compares. Every invalid file breaks one rule (two where
the name says so) and is otherwise whole: digests and checksums are right, unless they are what is broken.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import h5py
import numpy as np

import fredfmt
from fredfmt.model.data import FreDData
from fredfmt.model.digest import digest_of_document
from fredfmt.model.documents import canonical
from fredfmt.model.parts import Whitening
from fredfmt.storage.containers import archive, hdf5, hierarchy
from fredfmt.storage.containers.declared import Package, StoredArray, chunk_shape_of
from fredfmt.storage.containers.entries import EntryStore
from fredfmt.storage.containers.package import pack

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "reference"))
import fred_reference  # noqa: E402

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


class Vectors:
    """A directory of vectors that is being built."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self, kind: str, name: str, content: bytes | Entries, note: str, *, suffix: str = ".fred", **case: Any
    ) -> None:
        """One vector: its file (for a directory, its entries) and its case.json."""
        folder = self.root / kind / name
        folder.mkdir(parents=True)
        file = folder / f"data{suffix}"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            for key, value in content.items():
                (file / key).parent.mkdir(parents=True, exist_ok=True)
                (file / key).write_bytes(value)
        document = {"file": file.name, "note": note, "valid": kind != "invalid", **case}
        (folder / "case.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def valid(
        self,
        name: str,
        rules: str,
        note: str,
        content: bytes,
        spelled: bytes | Entries | None = None,
        *,
        suffix: str = ".fred",
        findings: tuple[str, ...] = (),
    ) -> None:
        """A valid `.fred` file, or the same data spelled in another container; values by the reference reader."""
        meta, arrays = fred_reference.read(content)
        images = (
            np.round(fred_reference.decode(meta, arrays), 9) + 0.0
        )  # the same bits whatever the processor's cosines
        values = np.abs(fred_reference.numbers(meta, arrays["coefficients"])).sum(2).max()
        if "base" in arrays:
            values += np.abs(fred_reference.numbers(meta, arrays["base"])).sum(2).max()
        decoded = {
            "shape": list(images.shape),
            "values": base64.b64encode(images.astype("<f8").tobytes()).decode(),
            "tolerance": float(f"{1e-5 * values + 1e-6:.3g}"),
            "labels": arrays["labels"].tolist(),
        }
        named = [f"FRED-{number}" for number in rules.split()]
        self.add(
            "warning" if findings else "valid",
            name,
            content if spelled is None else spelled,
            note,
            suffix=suffix,
            rules=named,
            findings=list(findings),
            digest=fred_reference.content_digest(meta, arrays),
            decoded=decoded,
        )

    def invalid(self, name: str, content: bytes | Entries, note: str, *, suffix: str = ".fred", also: str = "") -> None:
        """A file that breaks the rule at the head of its name, and that of ``also``."""
        findings = [rule for rule in (name[:8], also) if rule]
        self.add("invalid", name, content, note, suffix=suffix, rules=findings, findings=findings)


def images(count: int, channels: int, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth made-up pictures by integer arithmetic alone, the same on every machine."""
    grid = np.indices((count, channels, *shape)).astype(np.int64)
    mixed = sum((7 + 4 * axis) * (positions + 1) * (grid[0] + 2) for axis, positions in enumerate(grid))
    return ((mixed % 64) / 64).astype(np.float32)


def data(
    shape: tuple[int, ...] = (3, 5), *, channels: int = 2, count: int = 6, classes: int = 3, **options: Any
) -> FreDData:
    """A small data set with all the notes that the specification advises."""
    labels = np.arange(count) % classes
    return fredfmt.encode(images(count, channels, shape), labels, **{**NOTES, **options})


def parts(whole: FreDData) -> tuple[dict[str, Any], Arrays]:
    """The metadata document and the stored arrays of a data set."""
    package = pack(whole)
    document = deepcopy(package.document)
    document["writer"] = {"name": "spec/vectors/build.py"}
    document["mask"], document["reconstruction"] = {"strategy": "made up"}, {}
    return document, {name: stored.read() for name, stored in package.arrays.items()}


def stamped(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its own digest put right, where it has a place for it."""
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
    """A `.fred` file of any document and arrays, right or wrong."""
    return archive.pack(entries_of(document, arrays))


def compact_of(document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The same in the compact layout."""
    return archive.pack(entries_of(document, arrays, compact=True), compact=True)


def compact(whole: FreDData, **changes: Any) -> bytes:
    """A compact file, its metadata changed."""
    return compact_of(*compact_parts(whole, **changes))


def compact_parts(whole: FreDData, **changes: Any) -> tuple[dict[str, Any], Arrays]:
    """The metadata document and the stored arrays of a data set in the compact layout."""
    document, _ = parts(whole)
    packed = pack(whole, compact=True)
    counted = {name: packed.document[name] for name in ("counts",) if name in packed.document}
    return {**document, **counted, **changes}, {name: stored.read() for name, stored in packed.arrays.items()}


def grouped(**options: Any) -> FreDData:
    """The small data set with its instances sorted by class."""
    return fredfmt.encode(images(7, 2, (3, 5)), [0, 0, 0, 1, 1, 2, 2], **{**NOTES, **options})


def softened(whole: FreDData, parts_of: int) -> FreDData:
    """The data set with soft labels that are multiples of a fraction, in float16."""
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
    """The entries of the plain data set."""
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
    """The plain file, the Blosc frame of its coefficients changed and its CRC-32C put right."""

    def edit(held: Entries) -> None:
        frame = bytearray(held["coefficients/c/0/0/0"][:-4])
        change(frame)
        held["coefficients/c/0/0/0"] = bytes(frame) + google_crc32c.value(bytes(frame)).to_bytes(4, "little")

    return with_entries(edit)


def with_coded(change: Callable[[bytes], bytes]) -> bytes:
    """A compact file, the context-coded bytes of its coefficients changed and their CRC-32C put right."""
    document, arrays = compact_parts(grouped())
    held = entries_of(document, arrays, compact=True)
    body = change(held["coefficients/c/0/0/0"][:-4])
    held["coefficients/c/0/0/0"] = body + google_crc32c.value(body).to_bytes(4, "little")
    return archive.pack(held, compact=True)


def hdf5_of(build: Callable[[Any, dict[str, np.ndarray]], Any]) -> bytes:
    """An HDF5 file that ``build`` writes from the plain arrays, under a right user block."""
    document, arrays = parts(data())
    arrays["metadata"] = np.frombuffer(canonical(stamped(document)), np.uint8)
    target = io.BytesIO()
    with hdf5.new_file(target, space=512) as file:
        build(file, arrays)
    content = target.getvalue()[512:]
    return hdf5.user_block(content) + content


def plain_hdf5(file: Any, arrays: dict[str, np.ndarray], **others: Any) -> None:
    """Datasets as the format asks for them, but for ``others``: name to keyword arguments of h5py."""
    for name, array in arrays.items():
        options: dict[str, Any] = {"data": array, "chunks": chunk_shape_of(array.dtype, array.shape)}
        options |= {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True}
        file.create_dataset(name, track_times=False, **{**options, **others.get(name, {})})


def build_valid(to: Vectors) -> None:
    plain = fred(data())
    to.valid(
        "FRED-401-smallest",
        "401 404 203 205 206",
        "one pixel",
        fred(data((1, 1), channels=1, count=1, classes=1, k=1, step=None, transform="identity")),
    )
    every = "101 110 111 112 113 116 117 201 204 207 210 211 301 302 400 402 403 405 501 502 503 504 505 701 702 703"
    to.valid("FRED-301-plain", every, "two channels of 3x5, three classes, DCT, step 1/4", plain)
    to.valid("FRED-119-float32", "119 203", "exact coefficients", fred(data(step=None)))
    to.valid("FRED-119-float16", "119 203", "half precision", fred(data(step="float16")))
    to.valid("FRED-203-int32", "203", "coefficients beyond 16 bits", fred(data(step=1e-5)))
    for transform in ("dct", "hartley", "haar", "db2", "identity", "downsample"):
        name = f"FRED-118-{transform}"
        kept = 8 if transform == "downsample" else 28
        to.valid(name, "118 301", "every frequency kept", fred(data((4, 7), k=kept, step=None, transform=transform)))
    to.valid("FRED-115-one-axis", "115", "signals of 11 samples", fred(data((11,))))
    to.valid("FRED-115-three-axes", "115 301", "volumes of 2x3x5", fred(data((2, 3, 5), k=9, mask=VOLUME)))
    to.valid("FRED-206-ties", "206", "6x4: many frequencies equally coarse", fred(data((6, 4), k=24)))
    to.valid("FRED-202-base", "202 203", "a spectrum for each mask", fred(data(base=True)))
    normalization = ([0.25, 0.5], [0.125, 0.75])
    to.valid("FRED-120-normalization", "120", "mean and std", fred(data(normalization=normalization)))
    white = Whitening("zca", 0.1, images="sha256:" + "5a" * 32, source={"name": "made up", "split": "train"})
    to.valid("FRED-121-whitening", "121 304", "whitened, and by which images", fred(data(whitening=white)))
    to.valid("FRED-121-recipe-only", "121", "whitened, by unknown images", fred(data(whitening=Whitening("zca", 1))))
    soft = np.array([[5, 2, 1], [1, 6, 1], [0, 0, 8], [2, 3, 3], [8, 0, 0], [1, 1, 6]], np.float32) / 8
    document, arrays = parts(data())
    masked = {**arrays, "mask_of": arrays["labels"][::-1].copy()}
    for name, rules, note, changed in (
        ("FRED-209-mask-of", "209 210", "masks that are not the labels", masked),
        ("FRED-208-soft-labels", "208 210", "probabilities in float32", {**masked, "labels": soft}),
        ("FRED-208-half", "208", "probabilities in float16", {**masked, "labels": soft.astype(np.float16)}),
    ):
        document["integrity"]["content"] = fred_reference.content_digest(document, changed)
        to.valid(name, rules, note, file_of(document, changed))
    tricky = {"€": 1e21, "\U0001f600": -1e-7, "ﬁ": [0.1, 1e-6, 1.2345678901234568e20, -0.5], 'a\n"\\': "é\u0007"}
    to.valid("FRED-101-spelling", "101", "numbers and names that are hard to spell", fred(data(), ext=tricky))
    deep: Any = []
    for _ in range(13):
        deep = [deep]
    to.valid("FRED-303-depth-16", "303", "JSON nested sixteen deep", fred(data(), ext={"deep": deep}))
    later = {"version": "1.7", "glitter": {"must_understand": False, "colour": "gold"}}
    to.valid(
        "FRED-114-later-version", "111 114", "a field of a later version that may be ignored", fred(data(), **later)
    )
    to.valid("FRED-410-directory", "410", "the plain data as a directory", plain, entries(), suffix=".fred.zarr")
    to.valid(
        "FRED-601-hdf5", "601 602 603 604 605", "the plain data in HDF5", plain, hdf5_of(plain_hdf5), suffix=".fred.h5"
    )


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


def build_warning(to: Vectors) -> None:
    def without(field: str) -> bytes:
        document, arrays = parts(data())
        document.pop(field, None)
        return file_of(document, arrays)

    for rule, field in (("FRED-901", "writer"), ("FRED-902", "source"), ("FRED-903", "license")):
        to.valid(f"{rule}-no-{field}", rule[5:], f"no {field}", without(field), findings=(rule,))
    distilled = fred(data(), distillation={"objective": "dm"})
    to.valid("FRED-904-no-recipe", "904", "distilled, and no recipe", distilled, findings=("FRED-904",))
    document, arrays = parts(data())
    changed = {**arrays, "labels": arrays["labels"] % 2}
    document["integrity"]["content"] = fred_reference.content_digest(document, changed)
    findings = ("FRED-905",)
    to.valid("FRED-905-empty-class", "905", "no instance of the third", file_of(document, changed), findings=findings)
    changed = {**arrays, "mask_of": arrays["labels"] % 2}
    document["integrity"]["content"] = fred_reference.content_digest(document, changed)
    findings = ("FRED-906",)
    to.valid("FRED-906-unused-mask", "906", "nobody uses the third", file_of(document, changed), findings=findings)


def build_invalid_metadata(to: Vectors) -> None:
    def spaced(held: Entries) -> None:
        held["zarr.json"] = held["zarr.json"].replace(b":", b": ", 1)

    def repeated(held: Entries) -> None:
        held["labels/zarr.json"] = b'{"a":1,"a":1}'

    def nan(held: Entries) -> None:
        held["zarr.json"] = held["zarr.json"].replace(b'"step":0.25', b'"step":NaN')

    to.invalid("FRED-101-blank", with_entries(spaced), "a blank after a colon")
    to.invalid("FRED-101-repeated-key", with_entries(repeated), "the same key twice")
    to.invalid("FRED-101-nan", with_entries(nan), "NaN for a step")
    nested: Any = []
    for _ in range(14):
        nested = [nested]
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "FRED-110-format": ("another format", {"format": "derf"}),
        "FRED-111-version-2": ("another major version", {"version": "2.0"}),
        "FRED-111-version-number": ("a number", {"version": 1.5}),
        "FRED-112-no-classes": ("no class names", {"classes": None}),
        "FRED-113-channels": ("a string for a number", {"channels": "2"}),
        "FRED-113-quantization": ("an unknown part", {"quantization": {"mode": "uniform", "step": 0.25, "bits": 4}}),
        "FRED-114-unknown-field": ("a field that must be understood", {"encryption": {"key": "lost"}}),
        "FRED-115-no-axis": ("no axis", {"spatial_shape": []}),
        "FRED-115-long-axis": ("an axis of 2^31", {"spatial_shape": [1 << 31]}),
        "FRED-115-four-axes": ("four axes", {"spatial_shape": [1, 1, 3, 5]}),
        "FRED-116-no-channel": ("no channel", {"channels": 0}),
        "FRED-117-same-name": ("two classes of one name", {"classes": ["0", "0", "2"]}),
        "FRED-117-no-name": ("an empty name", {"classes": ["0", "", "2"]}),
        "FRED-118-transform": ("an unknown transform", {"transform": "dst"}),
        "FRED-119-no-step": ("uniform without a step", {"quantization": {"mode": "uniform"}}),
        "FRED-119-negative-step": ("a step below 0", {"quantization": {"mode": "uniform", "step": -1}}),
        "FRED-119-mode": ("an unknown mode", {"quantization": {"mode": "vector"}}),
        "FRED-120-zero-std": ("a std of 0", {"normalization": {"mean": [0, 0], "std": [1, 0]}}),
        "FRED-120-one-mean": ("too few values", {"normalization": {"mean": [0], "std": [1]}}),
        "FRED-113-whitening": ("no epsilon", {"whitening": {"method": "zca"}}),
        "FRED-121-method": ("another whitening", {"whitening": {"method": "pca", "epsilon": 0.1}}),
        "FRED-121-epsilon": ("an epsilon of 0", {"whitening": {"method": "zca", "epsilon": 0}}),
        "FRED-121-images": ("a short digest", {"whitening": {"method": "zca", "epsilon": 0.1, "images": "sha256:00"}}),
        "FRED-303-many-channels": ("17 channels of 2^24 positions", {"spatial_shape": [4096, 4096], "channels": 17}),
        "FRED-303-large-image": ("an image of 2^40 positions", {"spatial_shape": [1 << 20, 1 << 20]}),
        "FRED-303-depth-17": ("JSON nested too deep", {"ext": {"deep": nested}}),
        "FRED-701-missing": ("no digests", {"integrity": None}),
        "FRED-701-short": ("a short digest", {"integrity": {"content": "sha256:00", "metadata": ZERO}}),
        "FRED-702-content": ("another content digest", {"integrity": {"content": ZERO, "metadata": ZERO}}),
    }
    for name, (note, change) in changes.items():

        def edit(document: dict[str, Any], change: dict[str, Any] = change) -> None:
            document.update(deepcopy(change))
            for field in [field for field, value in document.items() if value is None]:
                del document[field]

        to.invalid(name, with_document(edit), note)

    def edited(held: Entries) -> None:
        held["zarr.json"] = held["zarr.json"].replace(b"CC0-1.0", b"CC1-1.0")

    to.invalid("FRED-703-edited", with_entries(edited), "an edited licence")


def build_invalid_arrays(to: Vectors) -> None:
    def at(name: str, index: tuple[int, ...], value: Any) -> Callable[[Arrays], None]:
        def edit(arrays: Arrays) -> None:
            arrays[name] = arrays[name].copy()
            arrays[name][index] = value

        return edit

    def put(name: str, make: Callable[[Arrays], np.ndarray]) -> Callable[[Arrays], None]:
        return lambda arrays: arrays.update({name: make(arrays)})

    to.invalid("FRED-201-no-labels", with_arrays(lambda arrays: arrays.pop("labels")), "labels are missing")
    to.invalid("FRED-202-labels", with_arrays(put("labels", lambda a: a["labels"][:-1])), "a label too few")
    fewer = put("frequencies", lambda a: a["frequencies"][:, :-1].copy())
    to.invalid("FRED-202-frequencies", with_arrays(fewer), "a frequency too few")
    row = {"shape": [5], "dimension_names": ["mask"]}
    to.invalid("FRED-202-axes", with_array_document(lambda d: d.update(row), "frequencies"), "an axis too few")
    wide = put("coefficients", lambda a: a["coefficients"].astype(np.float32))
    to.invalid("FRED-203-mode", with_arrays(wide), "floating point under mode uniform")
    other = with_array_document(lambda document: document.update(data_type="int64"))
    to.invalid("FRED-203-type", other, "a type that the format does not have")
    to.invalid("FRED-204-nan", with_arrays(at("coefficients", (0, 0, 0), np.nan), step=None), "NaN")
    to.invalid("FRED-204-infinity", with_arrays(at("base", (0, 0, 0), np.inf), step=None, base=True), "infinity")
    to.invalid("FRED-205-outside", with_arrays(at("frequencies", (1, 4), 15)), "an index that 3x5 does not have")
    turned = put("frequencies", lambda a: a["frequencies"][:, ::-1].copy())
    to.invalid("FRED-206-order", with_arrays(turned), "from fine to coarse")
    twice = put("frequencies", lambda a: a["frequencies"][:, [0, 0, 1, 2, 3]])
    to.invalid("FRED-206-repeated", with_arrays(twice), "one index twice")
    to.invalid("FRED-207-label", with_arrays(at("labels", (2,), 3)), "a fourth class of three")
    soft = np.full((6, 3), 0.5, np.float32)

    def unlikely(arrays: Arrays) -> None:
        arrays["mask_of"] = arrays["labels"]
        arrays["labels"] = soft

    to.invalid("FRED-208-sum", with_arrays(unlikely), "probabilities that sum to 1.5")

    def masked(arrays: Arrays) -> None:
        arrays["mask_of"] = arrays["labels"] + np.uint8(1)

    to.invalid("FRED-209-mask", with_arrays(masked), "a fourth mask of three")
    to.invalid(
        "FRED-210-masks", with_arrays(put("frequencies", lambda a: a["frequencies"][:2])), "two masks, three classes"
    )
    to.invalid("FRED-211-large", with_arrays(at("coefficients", (0, 0, 0), 2e30), step=None), "a huge coefficient")

    def both(arrays: Arrays) -> None:
        at("labels", (2,), 3)(arrays)
        at("frequencies", (1, 4), 15)(arrays)

    to.invalid("FRED-205-and-207", with_arrays(both), "two rules at once", also="FRED-207")


def build_invalid_archive(to: Vectors) -> None:
    plain = fred(data())
    held = entries()
    to.invalid("FRED-400-text", b"once upon a time\n", "not a file of the format")
    to.invalid("FRED-400-prepended", b"#!" + plain, "something before the archive")
    to.invalid("FRED-401-trailing", plain + b"\0", "something after the archive")
    to.invalid("FRED-401-cut", plain[:-30], "the end is missing")
    to.invalid("FRED-401-comment", plain[:-2] + b"\2\0hi", "an archive comment")
    swapped = {name: held[name] for name in sorted(held, reverse=True)}
    to.invalid("FRED-402-order", archive.pack(swapped), "entries from z to a")
    to.invalid("FRED-402-repeated", repeated_entry(plain), "an entry twice")
    to.invalid("FRED-403-traversal", archive.pack({**held, "zz/../../up": b""}), "a name that leads elsewhere")
    to.invalid("FRED-403-upper-case", archive.pack({"zarr.json": held["zarr.json"], "Labels": b""}), "upper case")
    second = plain.index(b"PK\3\4", 4)
    to.invalid("FRED-404-deflated", plain[: second + 8] + b"\x08" + plain[second + 9 :], "method 8 for a chunk")
    to.invalid("FRED-404-date", plain[:12] + b"\x22" + plain[13:], "another day")
    to.invalid("FRED-405-crc", wrong_crc(plain), "the CRC-32 of something else")
    to.invalid("FRED-410-link", held, "a symbolic link", suffix=".fred.zarr")
    link = to.root / "invalid" / "FRED-410-link" / "data.fred.zarr" / "labels" / "c" / "0"
    link.unlink()
    link.symlink_to("../zarr.json")


def repeated_entry(plain: bytes) -> bytes:
    """The plain archive with its last entry twice."""
    held = list(archive.unpack(plain).items())
    return laid_out([(name, bytes(body), zlib.crc32(body)) for name, body in [*held, held[-1]]])


def wrong_crc(plain: bytes) -> bytes:
    """The plain archive with another CRC-32 for its last entry, in both headers."""
    held = [(name, bytes(body), zlib.crc32(body)) for name, body in archive.unpack(plain).items()]
    return laid_out([*held[:-1], (*held[-1][:2], 0x12345678)])


def laid_out(entries: list[tuple[str, bytes, int]]) -> bytes:
    """An archive of entries of (name, content, CRC-32), right or wrong."""
    laid = [archive.Entry(name, len(body), checksum, len(body)) for name, body, checksum in entries]
    local = b"".join(entry.local_header + body for entry, (_, body, _) in zip(laid, entries, strict=True))
    return local + archive._directory(laid)


def build_invalid_hierarchy(to: Vectors) -> None:
    def root(change: Callable[[dict[str, Any]], Any]) -> bytes:
        def edit(held: Entries) -> None:
            document = json.loads(held["zarr.json"])
            change(document)
            held["zarr.json"] = canonical(document)

        return with_entries(edit)

    to.invalid("FRED-501-attribute", root(lambda document: document["attributes"].update(more=1)), "another attribute")
    to.invalid("FRED-501-missing", with_entries(lambda held: held.pop("zarr.json")), "no root document")
    weaker = with_array_document(lambda document: document["codecs"][2]["configuration"].update(clevel=5))
    to.invalid("FRED-502-codec", weaker, "another setting of a codec")
    for name, note, change in (
        ("null", "a field of null", lambda document: document.update(x=None)),
        ("false", "false for a fill value of 0", lambda document: document.update(fill_value=False)),
        ("true", "true for a size of 1", lambda d: d["codecs"][-2]["configuration"].update(typesize=True)),
        ("text", "a string for a list", lambda document: document.update(shape="625")),
    ):
        to.invalid(f"FRED-502-{name}", with_array_document(change, "labels"), note)
    to.invalid("FRED-502-list", with_entries(lambda held: held.update({"labels/zarr.json": b"[]"})), "a list")
    to.invalid("FRED-202-true", with_array_document(lambda d: d.update(shape=[True]), "labels"), "true for a length")
    to.invalid("FRED-502-missing", with_entries(lambda held: held.pop("labels/zarr.json")), "an array without document")

    def cut(document: dict[str, Any]) -> None:
        document["chunk_grid"]["configuration"]["chunk_shape"] = [3, 2, 5]

    to.invalid("FRED-502-chunks", with_array_document(cut), "cut into other chunks")
    to.invalid("FRED-503-missing", with_entries(lambda held: held.pop("coefficients/c/0/0/0")), "a chunk is missing")
    to.invalid("FRED-503-extra", with_entries(lambda held: held.update({"labels/c/1": b""})), "a chunk too many")
    to.invalid("FRED-503-name", with_entries(lambda held: held.update(labels=b"")), "an entry of an array's name")
    to.invalid("FRED-503-stranger", with_entries(lambda held: held.update({"notes.txt": b"hello"})), "another file")

    def flip(held: Entries) -> None:
        chunk = bytearray(held["coefficients/c/0/0/0"])
        chunk[20] ^= 1
        held["coefficients/c/0/0/0"] = bytes(chunk)

    to.invalid("FRED-504-flipped", with_entries(flip), "a bit of a chunk is wrong")

    def longer(frame: bytearray) -> None:
        frame[4:8] = struct.pack("<I", 1 << 30)

    to.invalid("FRED-505-bomb", with_chunk(longer), "a chunk that says it holds 1 GiB")

    def damage(frame: bytearray) -> None:
        frame[2] = 0x80  # says that Zstandard follows, where plain bytes do

    to.invalid("FRED-505-frame", with_chunk(damage), "a Blosc frame that cannot be decoded")
    for name, note, place, value in (
        ("version", "another version of Blosc", 0, 3),
        ("inner", "another version of its Zstandard", 1, 2),
        ("shuffle", "shuffled by bytes, where the document says by bits", 2, 0x93),
        ("split", "streams that are split", 2, 0x86),
        ("lz4", "LZ4 in place of Zstandard", 2, 0x34),
        ("block", "blocks of no bytes", 8, 0),
    ):

        def put(frame: bytearray, place: int = place, value: int = value) -> None:
            frame[place] = value

        to.invalid(f"FRED-505-{name}", with_chunk(put), note)

    def huge(document: dict[str, Any]) -> None:
        document["shape"][0] = 2**30
        document["chunk_grid"]["configuration"]["chunk_shape"][0] = 2**24 // 20

    to.invalid("FRED-303-shape-bomb", with_array_document(huge), "an array of 20 GiB")


def build_invalid_hdf5(to: Vectors) -> None:
    def add(name: str, note: str, build: Callable[[Any, dict[str, np.ndarray]], Any]) -> None:
        to.invalid(name, hdf5_of(build), note, suffix=".fred.h5")

    def but(**others: Any) -> Callable[[Any, dict[str, np.ndarray]], None]:
        return lambda file, arrays: plain_hdf5(file, arrays, **others)

    plain = hdf5_of(plain_hdf5)
    to.invalid("FRED-601-edited", plain[:700] + b"!" + plain[701:], "an edited byte", suffix=".fred.h5")
    content = b"not HDF5 at all" * 9
    to.invalid("FRED-602-not-hdf5", hdf5.user_block(content) + content, "not HDF5", suffix=".fred.h5")

    def soft(file: Any, arrays: dict[str, np.ndarray]) -> None:
        plain_hdf5(file, arrays)
        file["mask_of"] = h5py.SoftLink("/labels")

    def external(file: Any, arrays: dict[str, np.ndarray]) -> None:
        plain_hdf5(file, arrays)
        file["mask_of"] = h5py.ExternalLink("other.h5", "/labels")

    def attribute(file: Any, arrays: dict[str, np.ndarray]) -> None:
        plain_hdf5(file, arrays)
        file["labels"].attrs["note"] = 1

    def group(file: Any, arrays: dict[str, np.ndarray]) -> None:
        plain_hdf5(file, arrays)
        file.create_group("base")

    def missing(file: Any, arrays: dict[str, np.ndarray]) -> None:
        labels = arrays.pop("labels")
        plain_hdf5(file, arrays)
        properties = {"chunks": labels.shape, "compression": "gzip", "compression_opts": 9, "track_times": False}
        file.create_dataset("labels", labels.shape, labels.dtype, shuffle=True, fletcher32=True, **properties)

    add("FRED-602-soft-link", "a soft link", soft)
    add("FRED-602-external-link", "a link to another file", external)
    add("FRED-602-attribute", "an attribute", attribute)
    add("FRED-602-group", "a group", group)
    bare = {"chunks": None, "compression": None, "compression_opts": None, "shuffle": False, "fletcher32": False}
    add("FRED-603-contiguous", "not in chunks", but(labels=bare))
    add("FRED-603-missing", "a chunk is missing", missing)
    add("FRED-603-growing", "a shape that may grow", but(labels={"maxshape": (None,)}))
    add("FRED-604-filters", "no fletcher32", but(coefficients={"fletcher32": False}))
    add("FRED-605-order", "big-endian numbers", but(coefficients={"dtype": ">u2"}))
    add("FRED-605-type", "an opaque type", but(labels={"data": np.zeros(6, "V1")}))


def build(root: Path) -> None:
    """Build every vector below ``root``, which is emptied first."""
    shutil.rmtree(root, ignore_errors=True)
    to = Vectors(root)
    for part in (
        build_valid,
        build_compact,
        build_warning,
        build_invalid_metadata,
        build_invalid_arrays,
        build_invalid_archive,
        build_invalid_hierarchy,
        build_invalid_hdf5,
    ):
        part(to)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "1.0")
