"""Encoding in bounded memory: what is kept on the way lies in a file, and nobody sees a difference."""

import multiprocessing
import pickle
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from needed import compiled_loops

from fredfmt import digest, encode, load, save
from fredfmt.codec import spool
from fredfmt.errors import AccessError
from fredfmt.model.mapped import pieces, release
from fredfmt.storage.containers import declared, entries


class Images:
    """So many images of 3 x 8 x 12, made when they are asked for."""

    def __init__(self, count):
        self.shape = (count, 3, 8, 12)

    def __getitem__(self, rows):
        numbers = np.arange(rows.start, min(rows.stop, self.shape[0]), dtype=np.float32)
        phases = numbers[:, None] + np.arange(3 * 8 * 12, dtype=np.float32) * (1 + numbers[:, None] % 7)
        return np.sin(phases).reshape(-1, *self.shape[1:])


@pytest.fixture
def in_a_file(monkeypatch):
    monkeypatch.setattr(spool, "IN_MEMORY", 0)


WAYS = [
    *({}, {"step": 1e-4}, {"step": None}, {"step": "float16"}, {"base": True}, {"base": True, "step": 3e-4}),
    *({"target_rmse": 0.05}, {"max_bytes": 60_000}),
]


@compiled_loops
@pytest.mark.parametrize("how", WAYS, ids=str)
def test_what_is_kept_in_a_file_gives_the_same_data(how, monkeypatch):
    images, labels = Images(2000), np.arange(2000) % 3
    expected = encode(images, labels, k=24, **how)
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    assert encode(images, labels, k=24, **how) == expected


def peak_of(work, *arguments):
    tracemalloc.start()
    result = work(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, result


def encoded(count):
    return encode(Images(count), np.arange(count) % 3, k=90)


def test_memory_of_encoding_does_not_grow_with_the_number_of_images(in_a_file):
    """What grows is what every image has one of, such as its label."""
    (few, small), (many, large) = (peak_of(encoded, count) for count in (4_000, 40_000))
    assert large.coefficients.nbytes - small.coefficients.nbytes > 19e6
    assert many - few < 36_000 * 40


@compiled_loops
@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr", ".fred.h5"])
def test_memory_of_saving_does_not_grow_with_the_number_of_images(in_a_file, monkeypatch, tmp_path, suffix):
    """One chunk is held at a time, of 1 MiB here."""
    monkeypatch.setattr(declared, "CHUNK_BYTES", 1 << 20)
    monkeypatch.setattr(entries, "IN_MEMORY", 1 << 20)
    peaks = [peak_of(save, encoded(count), tmp_path / f"{count}{suffix}")[0] for count in (10_000, 40_000)]
    assert max(peaks) < 16e6
    assert peaks[1] - peaks[0] < 30_000 * 40


def test_numbers_in_a_file_can_be_read_from_other_processes_and_threads(in_a_file):
    data = encoded(50)
    again = pickle.loads(pickle.dumps(data))
    assert again == data
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(digest, [data, again]) == [digest(data)] * 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what lies in memory")
def test_what_was_looked_at_is_given_back():
    spool_of_ones = spool.Spool((40_000, 1_000), np.int16)
    spool_of_ones[0:40_000] = np.ones((40_000, 1_000), np.int16)
    whole = spool_of_ones.whole()
    spool_of_ones.close()
    before = resident_of_files()
    assert sum(int(part.sum()) for part in pieces(whole)) == whole.size
    assert resident_of_files() - before < 16 << 20
    assert int(whole[::100].sum()) == whole.size // 100
    assert resident_of_files() - before > 60 << 20
    release(whole[:, 3:].T)
    assert resident_of_files() - before < 16 << 20
    assert whole[39_999, 999] == 1


def resident_of_files():
    """Bytes of files that lie in the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


@compiled_loops
@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr", ".fred.h5"])
def test_large_data_are_saved_with_less_effort_and_are_the_same(tmp_path, suffix):
    data = encode(Images(8000), np.arange(8000) % 3, k=90)
    assert data.coefficients.nbytes > 4 << 20
    save(data, tmp_path / f"x{suffix}")
    assert load(tmp_path / f"x{suffix}") == data


def test_a_full_disk_for_temporary_files_is_one_line(in_a_file, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(AccessError, match="temporary file"):
        encode(Images(10), np.arange(10) % 3, k=9)


@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr", ".fred.h5"])
def test_bytes_are_the_same_from_memory_and_from_a_file(monkeypatch, tmp_path, suffix):
    """Also where an array has many chunks, and entries do not stay in memory."""
    monkeypatch.setattr(declared, "CHUNK_BYTES", 10_000)
    kept = encoded(500)
    save(kept, tmp_path / f"kept{suffix}")
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    monkeypatch.setattr(entries, "IN_MEMORY", 100)
    save(encoded(500), tmp_path / f"file{suffix}")
    assert load(tmp_path / f"file{suffix}") == kept
    files = [content_of(tmp_path / f"{name}{suffix}") for name in ("kept", "file")]
    assert files[0] == files[1]


def content_of(path):
    if path.is_file():
        return path.read_bytes()
    return {file.relative_to(path): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
