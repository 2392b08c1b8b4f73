"""Some classes of a file, of a local one and of one at an address, where only the chunks that hold them are fetched."""

import numpy as np
import pytest

from fredfmt import (
    ArgumentError,
    FormatError,
    FreDDataset,
    FredError,
    FreDLoader,
    IntegrityError,
    SourceError,
    digest,
    encode,
    load,
    save,
)

CLASSES = ("ant", "bee", "cat", "dog", "elk")
PER_CLASS = 400


def make(labels, mask="evr"):
    images = np.random.default_rng(0).standard_normal((len(labels), 1, 8, 8)).astype(np.float32)
    return encode(images, labels, k=40, step=0.5, classes=CLASSES, mask=mask)


@pytest.fixture
def sorted_by_class():
    return make(np.repeat(np.arange(5), PER_CLASS))


@pytest.fixture
def small_chunks(monkeypatch):
    """A chunk a class, and requests to match."""
    monkeypatch.setattr("fredfmt.storage.containers.declared.CHUNK_BYTES", PER_CLASS * 40 * 2)
    monkeypatch.setattr("fredfmt.storage.fetching.LARGE", 0)
    monkeypatch.setattr("fredfmt.storage.addresses.PIECE", 300)


@pytest.fixture
def file(small_chunks, sorted_by_class, tmp_path):
    save(sorted_by_class, tmp_path / "x.fred")
    return tmp_path / "x.fred"


def selected(data, numbers):
    return np.flatnonzero(np.isin(data.labels if data.labels.ndim == 1 else data.labels.argmax(1), numbers))


@pytest.mark.parametrize("suffix", [".fred", ".fred.h5", ".fred.zarr"])
def test_classes_of_a_local_file_keep_their_numbers(sorted_by_class, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    save(sorted_by_class, path)
    data = load(path, classes=["dog", 1])
    rows = selected(sorted_by_class, [1, 3])
    assert sorted(set(data.labels.tolist())) == [1, 3]
    assert data.metadata == sorted_by_class.metadata
    np.testing.assert_array_equal(data.coefficients, sorted_by_class.coefficients[rows])
    save(data, tmp_path / "part.fred")
    assert load(tmp_path / "part.fred") == data
    assert load(path, classes="dog") == load(path, classes=[3])


def test_datasets_and_loaders_of_some_classes(sorted_by_class):
    dataset = FreDDataset(sorted_by_class, classes=["elk", "ant"])
    assert (len(dataset), set(dataset.targets)) == (2 * PER_CLASS, {0, 4})
    images, labels = next(iter(FreDLoader(sorted_by_class, classes=["elk"], batch_size=PER_CLASS)))
    assert labels.tolist() == [4] * PER_CLASS
    np.testing.assert_array_equal(images, FreDDataset(sorted_by_class).decode(range(4 * PER_CLASS, 5 * PER_CLASS))[0])


def test_soft_labels_belong_to_their_likeliest_class():
    shares = np.full((10, 5), 0.1, np.float32)
    shares[np.arange(10), np.arange(10) % 5] = 0.6
    data = make(shares)
    part = FreDDataset(data, classes=["bee"]).data
    np.testing.assert_array_equal(part.labels, data.labels[[1, 6]])
    np.testing.assert_array_equal(part.mask_of, data.mask_of[[1, 6]])


@pytest.mark.parametrize("which", [["fox"], [5], [-1], [], ["bee", 1]])
def test_classes_that_are_not_there(sorted_by_class, which):
    with pytest.raises(ArgumentError, match="class"):
        FreDDataset(sorted_by_class, classes=which)


def test_a_class_without_instances():
    with pytest.raises(ArgumentError, match="no instance"):
        FreDDataset(make(np.arange(8) % 4, "low"), classes=["elk"])


@pytest.mark.parametrize("which", [["bee"], [0, 4], ["cat", "dog"]])
def test_only_the_chunks_that_hold_the_classes_are_fetched(site, file, which, cache):
    content = file.read_bytes()
    address = site.put("x.fred", content, "ranges")
    assert load(address, classes=which) == load(file, classes=which)
    chunk = len(content) / 6  # a little less than a class takes
    assert site.sent < len(content) - (5 - len(which)) * chunk
    assert not (cache / "files").exists()
    assert FreDDataset(address, classes=which).data == load(file, classes=which)


def test_the_whole_file_is_fetched_where_parts_save_nothing(site, small_chunks, file, tmp_path, sorted_by_class):
    content = file.read_bytes()
    mixed = make(np.arange(5 * PER_CLASS) % 5)
    save(mixed, tmp_path / "mixed.fred")
    save(sorted_by_class, tmp_path / "x.fred.h5")
    hdf5 = (tmp_path / "x.fred.h5").read_bytes()
    served = {
        "mixed.fred": ((tmp_path / "mixed.fred").read_bytes(), "ranges"),
        "no-ranges.fred": (content,),
        "x.fred.h5": (hdf5, "ranges"),
    }
    for name, (body, *manners) in served.items():
        address = site.put(name, body, *manners)
        site.forget()
        data = load(address, classes=["cat"])
        assert data == load(tmp_path / name if (tmp_path / name).exists() else file, classes=["cat"])
        assert ("GET", name, None) in site.asked
        site.forget()
        assert load(address, classes=["dog"]).labels.tolist() == [3] * PER_CLASS
        assert site.requests("GET") == []  # it is in the cache


def test_a_digest_that_is_asked_for_is_verified(site, file, sorted_by_class):
    address = site.put("x.fred", file.read_bytes(), "ranges")
    data = load(address, classes=["cat"], expected_digest=digest(sorted_by_class))
    assert data == load(file, classes=["cat"])
    assert [(method, wanted) for method, _, wanted in site.asked if method == "GET"] == [("GET", None)]


def test_a_changed_byte_anywhere_that_is_read_is_an_error(site, file):
    content = file.read_bytes()
    address = site.put("x.fred", content, "ranges")
    good = load(address, classes=["bee"])
    where = [
        0,
        35,
        200,
        len(content) - 2,
        len(content) - 40,
        len(content) - 700,
        *range(0, len(content), len(content) // 50),
    ]
    errors = []
    for at in where:
        changed = bytearray(content)
        changed[at] ^= 4
        site.put("x.fred", bytes(changed), "ranges")
        try:
            assert load(address, classes=["bee"]) == good  # it lies in a chunk of other classes
        except (FormatError, IntegrityError) as error:
            errors.append(str(error))
    assert len(errors) > len(where) / 5
    assert all(text.startswith(address) for text in errors)


@pytest.mark.parametrize("manner", ["cut", "500", "silent"])
def test_a_server_that_fails(site, file, monkeypatch, manner):
    monkeypatch.setenv("FREDFMT_TIMEOUT", "1")
    address = site.put("x.fred", file.read_bytes(), "ranges", manner)
    with pytest.raises(FredError) as caught:
        load(address, classes=["bee"])
    assert isinstance(caught.value, SourceError)


def test_a_file_that_is_replaced_while_it_is_read(site, file, monkeypatch):
    address = site.put("x.fred", file.read_bytes(), "ranges")
    marks = iter([{"ETag": "a"}, {"ETag": "b"}])
    monkeypatch.setattr("fredfmt.storage.addresses.Address.mark", lambda self: next(marks))
    with pytest.raises(SourceError, match="replaced while it was read"):
        load(address, classes=["bee"])
