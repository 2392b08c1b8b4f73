"""Invalid files, each of which breaks one rule, or two if the name says so."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import h5py
import numpy as np
from made import (
    ZERO,
    Arrays,
    Entries,
    data,
    entries,
    fred,
    hdf5_of,
    plain_hdf5,
    repeated_entry,
    with_array_document,
    with_arrays,
    with_chunk,
    with_document,
    with_entries,
    wrong_crc,
)
from vectors import Vectors

from fredfmt.model.documents import canonical
from fredfmt.storage.containers import archive, hdf5


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
        "FRED-123-transform": ("another transform along the channels", {"channel_transform": "haar"}),
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
