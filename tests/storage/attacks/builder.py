"""Hostile files. Each attack makes one at a path and names the error and the rule that has to stop it."""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import h5py
import numpy as np
from numcodecs import blosc

from fredfmt.errors import FormatError, FredError, IntegrityError, LimitError
from fredfmt.model.documents import canonical
from fredfmt.storage.containers import archive
from fredfmt.storage.containers.hdf5 import user_block
from fredfmt.storage.containers.hdf5_filters import fletcher32
from fredfmt.storage.containers.hierarchy import array_document

sys.path.insert(0, str(Path(__file__).parents[3] / "spec" / "vectors"))
import made as spec

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Attack:
    """What is tried, how the file is made, and what must stop it."""

    name: str
    suffix: str
    error: type[FredError]
    rule: str
    make: Make


ATTACKS: list[Attack] = []


def attack(
    error: type[FredError], rule: str, suffix: str = ".fred"
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a function that returns the bytes of the hostile file."""

    def register(function: Callable[[], Any]) -> Callable[[], Any]:
        name = function.__name__
        ATTACKS.append(Attack(name, suffix, error, f"FRED-{rule}", lambda path: path.write_bytes(function())))
        return function

    return register


def attack_folder(error: type[FredError], rule: str) -> Callable[[Make], Make]:
    """Register a function that spoils a sound directory at a path."""

    def register(function: Make) -> Make:
        def make(path: Path) -> None:
            for key, value in spec.entries().items():
                (path / key).parent.mkdir(parents=True, exist_ok=True)
                (path / key).write_bytes(value)
            function(path)

        ATTACKS.append(Attack(function.__name__, ".fred.zarr", error, f"FRED-{rule}", make))
        return function

    return register


def declared(**shapes: tuple[int, ...]) -> bytes:
    """A file whose arrays declare these shapes; every chunk is there, of zeros, compressed a thousandfold."""

    def edit(held: dict[str, bytes]) -> None:
        for name, shape in shapes.items():
            dtype = np.dtype("uint8" if name == "labels" else "uint16")
            document = array_document(name, dtype, shape)
            rows = document["chunk_grid"]["configuration"]["chunk_shape"][0]
            frame = chunk(np.zeros((rows, *shape[1:]), dtype))
            for key in [key for key in held if key.startswith(f"{name}/c/")]:
                del held[key]
            tail = "/0" * (len(shape) - 1)
            held |= {f"{name}/c/{place}{tail}": frame for place in range(-(-shape[0] // rows))}
            held[f"{name}/zarr.json"] = canonical(document)

    return spec.with_entries(edit)


def chunk(array: np.ndarray) -> bytes:
    """An array as a Blosc frame with its CRC-32C."""
    return sealed(bytearray(blosc.compress(array, b"zstd", 9, blosc.BITSHUFFLE)))


def sealed(frame: bytearray) -> bytes:
    return bytes(frame) + google_crc32c.value(bytes(frame)).to_bytes(4, "little")


def raw_entry(name: bytes, content: bytes = b"") -> bytes:
    fields = (b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(content), len(content), len(content), len(name), 0)
    return struct.pack("<4s5H3I2H", *fields) + name + content


# sizes


@attack(LimitError, "303")
def shape_bomb() -> bytes:
    return spec.with_array_document(lambda document: document.update(shape=[2**40, 2, 5]) or rechunk(document))


@attack(LimitError, "303")
def shape_product_wraps_64_bits() -> bytes:
    return spec.with_array_document(lambda document: document.update(shape=[2**31, 2**31, 8]) or rechunk(document))


def rechunk(document: dict[str, Any]) -> None:
    name = "coefficients"
    document.update(array_document(name, np.dtype(document["data_type"]), tuple(document["shape"])))


@attack(LimitError, "303")
def axis_beyond_31_bits() -> bytes:
    return spec.with_array_document(lambda d: d.update(array_document("labels", np.dtype("u1"), (2**31,))), "labels")


@attack(LimitError, "303")
def cumulative_bomb() -> bytes:
    """Each array within the limit, together beyond it; the chunks are missing, but sizes are looked at first."""
    return declared(coefficients=(90_000_000, 1, 3), labels=(900_000_000,))


@attack(LimitError, "303")
def ratio_bomb() -> bytes:
    return declared(coefficients=(40_000_000, 1, 1), labels=(40_000_000,))


@attack(LimitError, "303")
def probabilities_that_take_twice_their_integers() -> bytes:
    """Below 64 MiB as they are stored, above as float16."""
    return declared(labels=(3 << 20, 16))


@attack(FormatError, "214")
def bits_that_become_indices() -> bytes:
    """A million masks in 16 MiB of bits: as indices they took 32 MiB, and 400 MiB on the way."""

    def edit(document: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        document["spatial_shape"] = [4, 4]
        arrays["frequencies"] = np.ones((1 << 20, 16), np.uint8)

    return spec.with_compact(edit)


@attack(LimitError, "303")
def image_bomb() -> bytes:
    """A file of a few kilobytes whose every image would take a terabyte."""
    return spec.fred(spec.data(), spatial_shape=[1 << 19, 1 << 19])


@attack(FormatError, "505")
def codec_bomb_that_says_so() -> bytes:
    frame = chunk(np.zeros(1 << 26, np.uint8))
    return spec.with_entries(lambda held: held.update({"coefficients/c/0/0/0": frame}))


@attack(FormatError, "505")
def codec_bomb_of_one_block() -> bytes:
    """The header of the frame asks for blocks of 2 GiB."""
    return spec.with_chunk(lambda frame: frame.__setitem__(slice(8, 12), struct.pack("<I", 2**31 - 1)))


@attack(FormatError, "505")
def codec_bomb_that_lies() -> bytes:
    frame = bytearray(chunk(np.zeros(1 << 25, np.uint16))[:-4])
    frame[4:12] = struct.pack("<II", *(2 * 6 * 2 * 5,) * 2)
    return spec.with_entries(lambda held: held.update({"coefficients/c/0/0/0": sealed(frame)}))


@attack(LimitError, "303")
def many_entries() -> bytes:
    return b"".join(raw_entry(b"a/c/%04d" % number) for number in range(5000))


# JSON


def with_root(content: bytes) -> bytes:
    return spec.with_entries(lambda held: held.update({"zarr.json": content}))


@attack(LimitError, "303")
def deep_json() -> bytes:
    return with_root(b"[" * 400_000 + b"]" * 400_000)


@attack(LimitError, "303")
def long_json() -> bytes:
    return with_root(b'"' + b"x" * (2 << 20) + b'"')


@attack(FormatError, "101")
def quotes_that_never_close() -> bytes:
    return with_root(b'"' + b'\\"' * 500_000)


@attack(FormatError, "118")
def a_name_of_a_million_letters() -> bytes:
    """Not for the terminal of who reads the error."""
    return spec.fred(spec.data(), transform="x" * 1_000_000)


@attack(FormatError, "101")
def a_number_of_a_million_digits() -> bytes:
    return with_root(b"9" * 1_000_000)


@attack(FormatError, "101")
def nan_in_json() -> bytes:
    return with_root(b'{"a":NaN}')


@attack(FormatError, "101")
def infinity_in_json() -> bytes:
    return with_root(b'{"a":1e999}')


@attack(FormatError, "101")
def repeated_key() -> bytes:
    return with_root(b'{"a":1,"a":2}')


@attack(FormatError, "101")
def half_a_surrogate_pair() -> bytes:
    return with_root(b'{"a":"\\ud800"}')


@attack(FormatError, "502")
def true_for_a_length() -> bytes:
    return spec.with_array_document(
        lambda document: document["chunk_grid"]["configuration"]["chunk_shape"].insert(0, True)
    )


# archives


@attack(FormatError, "400")
def polyglot_in_front() -> bytes:
    return b"<script>alert(1)</script>" + spec.fred(spec.data())


@attack(FormatError, "401")
def polyglot_behind() -> bytes:
    return spec.fred(spec.data()) + spec.fred(spec.data(step=0.5))


@attack(FormatError, "401")
def polyglot_in_the_comment() -> bytes:
    other = spec.fred(spec.data(step=0.5))
    return spec.fred(spec.data())[:-2] + struct.pack("<H", len(other)) + other


@attack(FormatError, "401")
def gap_between_entries() -> bytes:
    plain = spec.fred(spec.data())
    second = plain.index(b"PK\3\4", 4)
    return plain[:second] + b"hidden" + plain[second:]


@attack(FormatError, "402")
def duplicate_names() -> bytes:
    return spec.repeated_entry(spec.fred(spec.data()))


@attack(FormatError, "401")
def size_beyond_the_end() -> bytes:
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1, 1, 0) + b"a"


@attack(FormatError, "404")
def encrypted_entry() -> bytes:
    plain = bytearray(spec.fred(spec.data()))
    plain[6] |= 1
    return bytes(plain)


@attack(FormatError, "401")
def symbolic_link_in_the_archive() -> bytes:
    plain = bytearray(spec.fred(spec.data()))
    plain[plain.index(b"PK\1\2") + 38 : plain.index(b"PK\1\2") + 42] = struct.pack("<I", 0o120777 << 16)
    return bytes(plain)


for number, name in enumerate(
    [b"../up", b"/etc/passwd", b"a\\b", b"a/../../b", b"a\0b", b"a//b", b".", b"CON\xff", b""]
):
    ATTACKS.append(
        Attack(
            f"path_traversal_{number}",
            ".fred",
            FormatError,
            "FRED-403",
            lambda path, name=name: path.write_bytes(raw_entry(name, b"x")),  # type: ignore[misc]
        )
    )


@attack(FormatError, "503")
def missing_chunk() -> bytes:
    return spec.with_entries(lambda held: held.pop("coefficients/c/0/0/0"))


# values


@attack(FormatError, "205")
def mask_outside_the_image() -> bytes:
    return spec.with_arrays(lambda arrays: arrays.update(frequencies=arrays["frequencies"] + np.uint16(60000)))


@attack(FormatError, "206")
def mask_that_repeats() -> bytes:
    return spec.with_arrays(lambda arrays: arrays.update(frequencies=np.zeros_like(arrays["frequencies"])))


@attack(FormatError, "207")
def labels_out_of_range() -> bytes:
    return spec.with_arrays(lambda arrays: arrays.update(labels=arrays["labels"] + np.uint8(200)))


@attack(FormatError, "204")
def nan_coefficients() -> bytes:
    return spec.with_arrays(lambda arrays: arrays.update(coefficients=arrays["coefficients"] * np.nan), step=None)


@attack(FormatError, "211")
def step_that_overflows() -> bytes:
    return spec.fred(spec.data(), quantization={"mode": "uniform", "step": 1e300})


@attack(IntegrityError, "702")
def changed_numbers_under_the_old_digest() -> bytes:
    return spec.with_arrays(lambda arrays: arrays.update(coefficients=arrays["coefficients"] + np.uint16(2)))


# directories


@attack_folder(FormatError, "410")
def link_out_of_the_directory(path: Path) -> None:
    (path / "labels" / "c" / "0").unlink()
    (path / "labels" / "c" / "0").symlink_to("/etc/passwd")


@attack_folder(FormatError, "410")
def linked_folder(path: Path) -> None:
    (path / "base").symlink_to("/etc")


@attack_folder(FormatError, "410")
def named_pipe(path: Path) -> None:
    os.mkfifo(path / "base")


@attack_folder(LimitError, "303")
def files_without_end(path: Path) -> None:
    for number in range(4200):
        (path / f"f{number}").touch()


@attack_folder(FormatError, "410")
def folders_without_end(path: Path) -> None:
    for number in range(4200):
        (path / f"d{number}").mkdir()


@attack_folder(FormatError, "410")
def empty_folder(path: Path) -> None:
    (path / "labels" / "c" / "1").mkdir()


@attack_folder(FormatError, "410")
def pipe_in_a_folder(path: Path) -> None:
    os.mkfifo(path / "labels" / "c" / "1")


# HDF5, its user block always right


def hdf5(rule: str, error: type[FredError] = FormatError) -> Callable[[Callable[[Any, Any], Any]], Any]:
    def register(build: Callable[[Any, Any], Any]) -> Any:
        def content() -> bytes:
            return spec.hdf5_of(build)

        content.__name__ = f"hdf5_{build.__name__}"
        return attack(error, rule, ".fred.h5")(content)

    return register


@hdf5("603")
def external_storage(file: Any, arrays: Any) -> None:
    labels = arrays.pop("labels")
    spec.plain_hdf5(file, arrays)
    file.create_dataset("labels", labels.shape, labels.dtype, external=[("/etc/passwd", 0, labels.nbytes)])


@hdf5("603")
def virtual_dataset(file: Any, arrays: Any) -> None:
    labels = arrays.pop("labels")
    spec.plain_hdf5(file, arrays)
    layout = h5py.VirtualLayout(labels.shape, labels.dtype)
    layout[...] = h5py.VirtualSource("/etc/passwd", "labels", labels.shape)
    file.create_virtual_dataset("labels", layout)


@hdf5("602")
def soft_link(file: Any, arrays: Any) -> None:
    spec.plain_hdf5(file, arrays)
    file["base"] = h5py.SoftLink("/coefficients")


@hdf5("602")
def external_link(file: Any, arrays: Any) -> None:
    spec.plain_hdf5(file, arrays)
    file["base"] = h5py.ExternalLink("/etc/passwd", "/")


@hdf5("605")
def object_references(file: Any, arrays: Any) -> None:
    labels = arrays.pop("labels")
    spec.plain_hdf5(file, arrays)
    file.create_dataset("labels", labels.shape, h5py.ref_dtype)


@hdf5("605")
def variable_length(file: Any, arrays: Any) -> None:
    labels = arrays.pop("labels")
    spec.plain_hdf5(file, arrays)
    file.create_dataset("labels", labels.shape, h5py.vlen_dtype(np.uint8))


def of_type(file: Any, arrays: Any, stored: Any) -> None:
    """All as the format has it, but the type of the coefficients, whose bytes stay the same."""
    values = arrays.pop("coefficients")
    spec.plain_hdf5(file, arrays)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(values.shape)
    creation.set_shuffle()
    creation.set_deflate(9)
    creation.set_fletcher32()
    space = h5py.h5s.create_simple(values.shape)
    written = h5py.h5d.create(file.id, b"coefficients", stored, space, creation)
    body = zlib.compress(np.ascontiguousarray(values.reshape(-1).view(np.uint8).reshape(-1, 2).T).tobytes(), 9)
    written.write_direct_chunk((0, 0, 0), body + fletcher32(body).to_bytes(4, "little"))


@hdf5("605")
def integers_of_nine_bits(file: Any, arrays: Any) -> None:
    """HDF5 and those who read the bytes would find other values."""
    nine = h5py.h5t.STD_U16LE.copy()
    nine.set_precision(9)
    of_type(file, arrays, nine)


@hdf5("605")
def shifted_integers(file: Any, arrays: Any) -> None:
    shifted = h5py.h5t.STD_U16LE.copy()
    shifted.set_precision(15)
    shifted.set_offset(1)
    of_type(file, arrays, shifted)


@hdf5("605")
def a_type_with_a_name(file: Any, arrays: Any) -> None:
    file["base"] = np.dtype("<u2")
    of_type(file, arrays, file["base"].id)
    del file["base"]


@hdf5("605")
def booleans(file: Any, arrays: Any) -> None:
    labels = arrays.pop("labels")
    spec.plain_hdf5(file, arrays)
    filters = {"compression": 9, "shuffle": True, "fletcher32": True}
    file.create_dataset("labels", data=labels.astype(bool), chunks=labels.shape, **filters)


@hdf5("303", LimitError)
def shape_bomb_without_chunks(file: Any, arrays: Any) -> None:
    del arrays["coefficients"]
    spec.plain_hdf5(file, arrays)
    spec.plain_hdf5(file, {"coefficients": np.zeros((1, 1, 1), np.uint16)}, coefficients={"data": None} | huge())


def huge() -> dict[str, Any]:
    return {"shape": (2**40, 1, 1), "dtype": np.uint16, "chunks": (2**23, 1, 1)}


@hdf5("604")
def inflate_bomb(file: Any, arrays: Any) -> None:
    """The one chunk of the metadata inflates to half a gigabyte."""
    compressor = zlib.compressobj(9)
    body = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(512)) + compressor.flush()
    spec.plain_hdf5(file, arrays)
    stored = body + fletcher32(body).to_bytes(4, "little")
    file["metadata"].id.write_direct_chunk((0,), stored)


@hdf5("602")
def endless_group(file: Any, arrays: Any) -> None:
    spec.plain_hdf5(file, arrays)
    file["base"] = file["/"]


@hdf5("101")
def nan_in_the_document(file: Any, arrays: Any) -> None:
    arrays["metadata"] = np.frombuffer(json.dumps({"a": float("nan")}).replace(" ", "").encode(), np.uint8)
    spec.plain_hdf5(file, arrays)


def truncated_hdf5() -> bytes:
    content = spec.hdf5_of(spec.plain_hdf5)[512:2000]
    return user_block(content) + content


attack(FormatError, "602", ".fred.h5")(truncated_hdf5)


def sound(suffix: str, path: Path) -> None:
    """The file that the attacks are made from, unharmed."""
    if suffix == ".fred":
        path.write_bytes(archive.pack(spec.entries()))
    elif suffix == ".fred.h5":
        path.write_bytes(spec.hdf5_of(spec.plain_hdf5))
    else:
        for key, value in spec.entries().items():
            (path / key).parent.mkdir(parents=True, exist_ok=True)
            (path / key).write_bytes(value)
