"""Whatever `save` writes, `load` reads: what it would refuse is refused before anything is written."""

from dataclasses import replace

import numpy as np
import pytest

from fredfmt import FreDData, FredError, LimitError, Limits, convert, encode, load, save
from fredfmt.storage.reading import SUFFIXES


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(0).random((20, 3, 8, 10), np.float32)
    return encode(images, np.arange(20) % 2, k=9)


def described(data, **changes):
    return replace(data, metadata=replace(data.metadata, **changes))


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read(data, tmp_path, suffix):
    cases = [
        *(described(data, ext=nested(depth)) for depth in range(1, 20)),
        *(described(data, ext={"x": "y" * length}) for length in range((1 << 20) - 2000, (1 << 20) + 200, 190)),
        described(data, license="", citation="\u20ac\U0001f600", classes=("\u0000", "\u2028")),
        described(data, results=[{"accuracy": 1e-300, "each": [1, None, True]}]),
        described(data, extensions={"later": {"must_understand": False, "value": 3}}),
    ]
    written = refused = 0
    for number, case in enumerate(cases):
        path = tmp_path / f"{number}{suffix}"
        try:
            save(case, path)
        except LimitError:
            refused += 1
            assert not path.exists()
        else:
            written += 1
            assert load(path) == case
    assert written > 15
    assert refused > 3
    assert len(list(tmp_path.iterdir())) == written


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_limits_are_those_of_the_reader(data, tmp_path, suffix):
    path, copy = tmp_path / f"x{suffix}", tmp_path / f"copy{suffix}"
    deep, wide = described(data, ext=nested(30)), Limits(json_depth=99)
    with pytest.raises(LimitError, match="nesting"):
        save(deep, path)
    save(deep, path, limits=wide)
    with pytest.raises(LimitError, match="nesting"):
        load(path)
    assert load(path, limits=wide) == deep
    convert(path, copy, limits=wide)
    assert load(copy, limits=wide) == deep
    for limits in (Limits(decoded_bytes=500), Limits(spatial_size=79), Limits(axis=19), Limits(file_bytes=100)):
        with pytest.raises(LimitError):
            save(data, tmp_path / f"small{suffix}", limits=limits)


def test_more_names_than_a_document_holds_are_refused(tmp_path):
    classes = [f"class {number}" for number in range(203_094)]
    many = encode(np.zeros((2, 1, 4, 6), np.float32), [0, 203_093], k=1, mask="low", classes=classes)
    with pytest.raises(LimitError, match="JSON document exceeds the limit"):
        save(many, tmp_path / "x.fred")
    assert not list(tmp_path.iterdir())


def test_data_that_shrink_beyond_belief_are_refused(tmp_path):
    """A reader takes a file that decodes to over a thousand times its size for a bomb."""
    count = 2_000_000
    images = np.zeros((count, 1, 20), np.int16)
    metadata = replace(encode(np.zeros((1, 1, 30), np.float32), [0], k=20, mask="low").metadata)
    data = FreDData(images, np.arange(20, dtype=np.uint16)[None], np.zeros(count, np.uint8), metadata)
    with pytest.raises(LimitError, match="decoded_ratio"):
        save(data, tmp_path / "x.fred.zarr")
    assert not list(tmp_path.iterdir())


def test_what_is_not_a_dataset_is_one_clear_error(data, tmp_path):
    from fredfmt import decode, ledger

    for use in (lambda: decode("x.fred"), lambda: ledger("x.fred"), lambda: save("x.fred", tmp_path / "x.fred")):
        with pytest.raises(FredError, match="not a dataset; expected a FreDData, found str"):
            use()
    for classes in (3, 3.5):
        save(data, tmp_path / "y.fred")
        with pytest.raises(FredError, match=rf"unusable classes; expected a list of names or numbers, found {classes}"):
            load(tmp_path / "y.fred", classes=classes)


def test_what_is_not_a_file_is_one_clear_error(data):
    from fredfmt import FreDDataset, FreDLoader, digest, validate

    for found in (None, 5, b"content"):
        for use in (load, FreDDataset, FreDLoader, digest):
            with pytest.raises(FredError, match=f"not a file; expected a path.*found {type(found).__name__}"):
                use(found)
        assert "not a file" in validate(found).findings[0].text
    with pytest.raises(FredError, match=r"not a file.*found FreDData"):
        load(data)
