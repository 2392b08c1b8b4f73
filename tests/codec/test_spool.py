"""Encoding in bounded memory: what is kept on the way lies in a file, and nobody sees a difference."""

import tempfile
import tracemalloc

import numpy as np
import pytest

from fredfmt import encode, load, save
from fredfmt.codec import spool
from fredfmt.errors import AccessError


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


@pytest.mark.parametrize(
    "how",
    [{}, {"step": None}, {"step": "float16"}, {"base": True}, {"target_rmse": 0.05}, {"max_bytes": 60_000}],
    ids=str,
)
def test_what_is_kept_in_a_file_gives_the_same_data(how, monkeypatch):
    images, labels = Images(2000), np.arange(2000) % 3
    expected = encode(images, labels, k=24, **how)
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    assert encode(images, labels, k=24, **how) == expected


def peak_of_encoding(count):
    images, labels = Images(count), np.arange(count) % 3
    tracemalloc.start()
    data = encode(images, labels, k=90)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, data.nbytes


def test_memory_grows_with_the_result_alone(in_a_file):
    few, many = peak_of_encoding(4_000), peak_of_encoding(40_000)
    grown, result = many[0] - few[0], many[1] - few[1]
    assert result > 19e6
    assert grown < 1.2 * result


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
