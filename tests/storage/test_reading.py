"""What reading takes and holds: the kind and the size are looked at first, and memory stays in proportion."""

import io
import os
import socket
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

from fredfmt import (
    ArgumentError,
    FormatError,
    FreDData,
    FredError,
    IntegrityError,
    LimitError,
    Limits,
    Metadata,
    Quantization,
    encode,
    load,
    save,
    validate,
)
from fredfmt.errors import AccessError
from fredfmt.model.ordering import in_order
from fredfmt.storage.containers import archive
from fredfmt.storage.reading import SUFFIXES, read_package


def make(count=9):
    images = np.random.default_rng(0).standard_normal((count, 2, 13, 17)).astype(np.float32)
    return encode(images, np.arange(count) % 3, k=11)


def bound_socket(path):
    place = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(place)


KINDS = {
    "pipe": os.mkfifo,
    "socket": bound_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/null"),
    "linked pipe": lambda path: (os.mkfifo(path.with_name("there")), path.symlink_to("there")),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_neither_a_file_nor_a_folder_is_refused_at_once(tmp_path, kind, suffix):
    path = tmp_path / f"x{suffix}"
    KINDS[kind](path)
    with pytest.raises(FormatError, match="a pipe, a socket or a device"):
        load(path)
    report = validate(path)
    assert not report.valid
    assert [finding.rule for finding in report.errors] == ["FRED-400"]


@pytest.mark.parametrize("size", [10 << 30, 1 << 43])
def test_a_sparse_file_is_refused_by_its_size(tmp_path, size):
    path = tmp_path / "x.fred"
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(size)
    started = time.process_time()
    with pytest.raises(LimitError, match="file_bytes"):
        load(path)
    for name in ("zarr.json", "x.fred.zarr", "c"):  # as a file of a folder, whatever its place
        path = path.rename(tmp_path / name)
        with pytest.raises(LimitError, match="file_bytes"):
            load(tmp_path)
    with open(tmp_path.with_suffix(".h5"), "wb") as file:
        file.write(b"fredfmt 1.0 sha256:")
        file.truncate(size)
    with pytest.raises(LimitError, match="file_bytes"):
        load(tmp_path.with_suffix(".h5"))
    assert time.process_time() - started < 1


def test_of_a_large_file_that_is_no_dataset_only_the_beginning_is_read(tmp_path):
    path = tmp_path / "x.fred"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(FormatError, match=f"{1 << 30} bytes beginning"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "end", [b"", archive.pack({"zarr.json": b"{}"})[-22:]], ids=["no end", "an end of another archive"]
)
def test_of_a_large_archive_with_a_hole_only_both_ends_are_read(tmp_path, end):
    """Below the limit, with a sound beginning: what the directory does not account for is not read."""
    path = tmp_path / "x.fred"
    with open(path, "wb") as file:
        file.write(archive.pack({"zarr.json": b"{}"}))
        file.truncate((1 << 30) - len(end))
        file.seek(0, io.SEEK_END)
        file.write(end)
    tracemalloc.start()
    with pytest.raises(FormatError, match="archive"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def peak_of_refusing(path, error, match):
    tracemalloc.start()
    with pytest.raises(error, match=match):
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_of_a_large_hdf5_file_with_a_hole_a_piece_at_a_time_is_in_memory(tmp_path):
    path = tmp_path / "x.fred.h5"
    save(make(), path)
    os.truncate(path, 200 << 20)
    assert peak_of_refusing(path, IntegrityError, "FRED-601") < 8 << 20


@pytest.mark.parametrize("document", ["zarr.json", "labels/zarr.json"])
def test_a_document_with_a_hole_is_not_read(tmp_path, document):
    path = tmp_path / "x.fred.zarr"
    save(make(), path)
    os.truncate(path / document, 1 << 30)
    assert peak_of_refusing(path, LimitError, "JSON document") < 8 << 20


def test_a_chunk_with_a_hole_is_held_once(tmp_path):
    path = tmp_path / "x.fred.zarr"
    save(make(), path)
    os.truncate(path / "labels/c/0", 200 << 20)
    assert peak_of_refusing(path, IntegrityError, "FRED-504") < 216 << 20
    assert not validate(path).valid


def test_a_large_archive_that_is_cut_short_is_refused(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(2000, 1, 16, 16)).astype(np.float32)
    path = tmp_path / "x.fred"
    save(encode(numbers, np.arange(2000) % 2, k=256, step=None), path)
    content = path.read_bytes()
    assert len(content) > 1 << 20
    assert len(load(path)) == 2000
    for damaged in (content[:-1], content[: len(content) // 2], content + b"\0", content + content[-30:]):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="archive"):
            load(path)


class Endless(io.RawIOBase):
    """A file object without end."""

    given = 0

    def read(self, size=-1):
        assert 0 < size <= 1 << 20
        self.given += size
        return b"PK\x03\x04".ljust(size, b"\0")


def test_file_objects_are_read_in_pieces_up_to_the_limit():
    stream = Endless()
    with pytest.raises(LimitError, match="file_bytes"):
        load(stream, limits=Limits(file_bytes=3 << 20))
    assert stream.given == 4 << 20


class Giving:
    """A file object that returns always the same, or raises it."""

    def __init__(self, given):
        self.given = given

    def read(self, size):
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


@pytest.mark.parametrize("given", ["PK", None, 5, bytearray(b"PK"), np.zeros(3, np.uint8)], ids=repr)
def test_a_file_object_that_is_not_of_bytes_is_told_for_what_it_is(given):
    with pytest.raises(ArgumentError, match="rb"):
        load(Giving(given))
    assert not validate(Giving(given)).valid


def test_a_file_object_that_cannot_be_read_is_one_line(tmp_path):
    with open(tmp_path / "x", "wb") as written:
        for file in (written, Giving(OSError(5, "Input/output error"))):
            with pytest.raises(FredError, match="cannot be read"):
                load(file)
            assert not validate(file).valid
    with pytest.raises(ArgumentError, match="a closed file"):
        load(written)


@pytest.mark.parametrize("name", ["a\0b.fred", "a\ud800.fred", "a\0b.fred.zarr", "a\ud800.fred.h5"], ids=ascii)
def test_what_cannot_be_a_path_is_one_line(tmp_path, name):
    with pytest.raises(ArgumentError, match="not a possible path"):
        load(f"{tmp_path}/{name}")
    with pytest.raises(ArgumentError, match="not a possible path"):
        save(make(), f"{tmp_path}/{name}")
    assert not validate(f"{tmp_path}/{name}").valid


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_two_gibibytes_of_address_space_are_plenty(tmp_path, suffix):
    save(make(), tmp_path / f"x{suffix}")
    code = f"import fredfmt; assert len(fredfmt.load('x{suffix}')) == 9; assert fredfmt.validate('x{suffix}').valid"
    command = f'ulimit -v 2097152; OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "{sys.executable}" -c "{code}"'
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_too_little_memory_is_one_line(tmp_path, suffix):
    """For 280 MiB of zeros, 200 MiB are left."""
    masks = in_order(np.arange(1 << 20, dtype=np.uint32)[None], (1 << 10, 1 << 10))
    large = np.zeros((140, 1, 1 << 20), np.int16)
    data = FreDData(large, masks, np.zeros(140, np.uint8), metadata((1 << 10, 1 << 10)))
    save(data, tmp_path / f"x{suffix}", codec="core" if suffix == ".fred" else None)
    subprocess.run([sys.executable, "-c", WITH_LITTLE_MEMORY, f"x{suffix}"], check=True, cwd=tmp_path)


WITH_LITTLE_MEMORY = """
import resource, sys
import fredfmt
with open("/proc/self/statm") as file:
    held = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (200 << 20),) * 2)
report = fredfmt.validate(sys.argv[1])
assert not report.valid and not report.readable and report.errors[0].kind == "FredMemoryError", report
try:
    fredfmt.load(sys.argv[1])
except fredfmt.FredError as error:
    assert isinstance(error, MemoryError) and "not enough memory" in str(error), error
else:
    raise AssertionError("loaded")
"""


def test_an_unreadable_file_is_one_line(tmp_path, monkeypatch):
    def refuse(path, flags, *rest, **more):
        raise PermissionError(13, "Permission denied")

    for suffix in SUFFIXES:
        save(make(), tmp_path / f"x{suffix}")
    monkeypatch.setattr(os, "open", refuse)
    for suffix in SUFFIXES:
        with pytest.raises(FredError, match=r"cannot be read.*Permission denied") as caught:
            load(tmp_path / f"x{suffix}")
        assert isinstance(caught.value, OSError)


def test_bits_of_a_large_image_take_no_memory_for_each_of_its_positions(tmp_path):
    large = Metadata((1 << 12, 1 << 12), 1, ("a",), "dct", Quantization("uniform", 1.0))
    zeros = np.zeros((1, 1, 3), np.int16)
    data = FreDData(zeros, np.array([[0, 1, 1 << 12]], np.uint32), np.zeros(1, np.uint8), large)
    save(data, tmp_path / "x.fred")
    assert read_package(tmp_path / "x.fred").arrays["frequencies"].dtype == np.uint8
    tracemalloc.start()
    assert load(tmp_path / "x.fred") == data
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_image_of_very_many_positions_is_refused_at_once(tmp_path, suffix):
    endless = Metadata((1 << 30, 1 << 30), 1, ("a",), "dct", Quantization("uniform", 1.0))
    data = FreDData(np.zeros((1, 1, 1), np.int16), np.zeros((1, 1), np.uint32), np.zeros(1, np.uint8), endless)
    with pytest.raises(LimitError, match="spatial_size"):
        save(data, tmp_path / f"x{suffix}")


def metadata(shape, mode="uniform"):
    """Metadata long enough that nothing is refused for how well it is compressed."""
    step = 1.0 if mode == "uniform" else None
    return Metadata(shape, 1, ("a",), "dct", Quantization(mode, step), ext={"notes": "x" * 250_000})


def narrow():
    n = 12 << 20
    zeros = np.zeros(n, np.uint8)
    one = np.zeros((1, 1), np.uint16)
    return FreDData(np.zeros((n, 1, 1), np.int16), one, zeros, metadata((4, 4)), mask_of=zeros)


def many_masks():
    masks = np.tile(in_order(np.arange(64, dtype=np.uint16)[None], (8, 8)), (1 << 19, 1))
    zeros = np.zeros(1, np.uint8)
    return FreDData(np.zeros((1, 1, 64), np.int16), masks, zeros, metadata((8, 8)), mask_of=zeros)


def soft():
    n = 12 << 20
    ones, zeros = np.ones((n, 1), np.float16), np.zeros(n, np.uint8)
    one = np.zeros((1, 1), np.uint16)
    return FreDData(np.zeros((n, 1, 1), np.float16), one, ones, metadata((4, 4), "float16"), mask_of=zeros)


def one_large_image():
    k = 1 << 24
    masks = in_order(np.arange(k, dtype=np.uint32)[None], (1 << 12, 1 << 12))
    return FreDData(np.zeros((1, 1, k), np.int16), masks, np.zeros(1, np.uint8), metadata((1 << 12, 1 << 12)))


def noise():
    k = 1 << 23
    masks = in_order(np.arange(k, dtype=np.uint32)[None], (1 << 12, 1 << 11))
    exact = np.random.default_rng(0).random((1, 2, k), np.float32)
    large = Metadata((1 << 12, 1 << 11), 2, ("a",), "dct", Quantization("float32"))
    return FreDData(exact, masks, np.zeros(1, np.uint8), large)


def many():
    masks = in_order(np.arange(256, dtype=np.uint16)[None], (16, 16))
    values = np.random.default_rng(0).integers(-20, 20, (1 << 17, 3, 256), np.int16)
    large = Metadata((16, 16), 3, ("a",), "dct", Quantization("uniform", 1.0))
    return FreDData(values, masks, np.zeros(1 << 17, np.uint8), large)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_of_many_instances_loading_holds_the_file_and_its_arrays(tmp_path, suffix):
    made = many()
    save(made, tmp_path / f"x{suffix}")
    files = [tmp_path / f"x{suffix}", *(tmp_path / f"x{suffix}").rglob("*")]
    size = sum(file.stat().st_size for file in files if file.is_file())
    tracemalloc.start()
    found = load(tmp_path / f"x{suffix}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == made
    assert peak <= size + made.nbytes + (64 << 20)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("data", [noise, narrow, many_masks, soft, one_large_image])
def test_loading_holds_the_file_its_arrays_and_one_array_more(tmp_path, data, suffix):
    """What SECURITY.md says. It was fourteen times the arrays where a small file has a great many masks."""
    path = tmp_path / f"x{suffix}"
    made = data()
    save(made, path, codec="core" if (data, suffix) == (many_masks, ".fred") else None)  # else over a thousand to one
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    arrays, largest = made.nbytes, max(made.coefficients.nbytes, made.frequencies.nbytes, made.labels.nbytes)
    del made
    tracemalloc.start()
    load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= size + arrays + largest + (64 << 20)


@pytest.mark.parametrize(
    "error", [RuntimeError("the caller's"), ValueError("the caller's"), KeyboardInterrupt()], ids=repr
)
def test_an_exception_of_a_file_object_passes_through_unless_it_is_an_os_error(error):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise self.error

    stream = Failing()
    stream.error = error
    with pytest.raises(type(error)) as raised:
        load(stream)
    assert raised.value is error
    stream.error = OSError(5, "mine")
    with pytest.raises(AccessError, match="mine"):
        load(stream)
