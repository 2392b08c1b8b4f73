"""The compact layout: what it leaves out comes back, and the bytes of a file are read from the file."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import zarr

import fredfmt
from fredfmt import FormatError, IntegrityError, LimitError, Limits
from fredfmt.model.ordering import coarse_to_fine
from fredfmt.storage import ledger as ledgers
from fredfmt.storage.containers import archive, shares
from fredfmt.storage.ledger import ledger, stored_size
from fredfmt.storage.reading import SUFFIXES, read_package


def made(labels=(0, 0, 0, 1, 1, 2, 2), **options):
    """Seven small images of three classes, in the order of their labels."""
    pixels = np.random.default_rng(3).random((len(labels), 2, 5, 7), np.float32)
    return fredfmt.encode(pixels, labels, **{"k": 6, "step": 0.125, "mask": "amplitude"} | options)


def softened(data, parts, dtype=np.float16):
    """Probabilities in multiples of 1 / ``parts``."""
    labels = np.random.default_rng(1).multinomial(parts, np.full(3, 1 / 3), len(data)) / parts
    return replace(data, labels=labels.astype(dtype))


def document_of(path):
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("zarr.json"))


def test_labels_in_order_are_counted_and_others_stored(tmp_path):
    for name, labels, counted in (("a", (0, 0, 0, 1, 1, 2, 2), True), ("b", (0, 1, 2, 0, 1, 2, 2), False)):
        data = made(labels)
        fredfmt.save(data, tmp_path / f"{name}.fred")
        assert fredfmt.load(tmp_path / f"{name}.fred") == data
        root = document_of(tmp_path / f"{name}.fred")
        assert root["attributes"]["fred"].get("counts") == ({"labels": [3, 2, 2]} if counted else None)
        assert ("labels" in root["consolidated_metadata"]["metadata"]) != counted
        assert (ledger(data).labels == 0) == counted


def test_classes_without_an_instance_are_counted_as_none(tmp_path):
    data = made((0, 0, 3, 3), classes=("a", "b", "c", "d", "e"), mask="low")
    fredfmt.save(data, tmp_path / "x.fred")
    assert fredfmt.load(tmp_path / "x.fred") == data
    assert document_of(tmp_path / "x.fred")["attributes"]["fred"]["counts"] == {"labels": [2, 0, 0, 2, 0]}


@pytest.mark.parametrize("parts", [1, 2, 16, 128])
def test_soft_labels_of_one_fraction_are_integers(tmp_path, parts):
    data = softened(made(), parts)
    fredfmt.save(data, tmp_path / "x.fred")
    assert fredfmt.load(tmp_path / "x.fred") == data
    assert read_package(tmp_path / "x.fred").arrays["labels"].dtype == np.uint8
    assert document_of(tmp_path / "x.fred")["attributes"]["fred"]["counts"] == {"mask_of": [3, 2, 2]}


@pytest.mark.parametrize(("parts", "dtype"), [(3, np.float16), (256, np.float16), (16, np.float32)])
def test_other_soft_labels_stay_what_they_are(tmp_path, parts, dtype):
    data = softened(made(), parts, dtype)
    fredfmt.save(data, tmp_path / "x.fred")
    assert fredfmt.load(tmp_path / "x.fred") == data
    assert read_package(tmp_path / "x.fred").arrays["labels"].dtype == dtype


def test_every_multiple_is_exact_in_float16():
    for whole in shares.WHOLES:
        parts = np.stack([np.arange(whole + 1), whole - np.arange(whole + 1)], axis=1).astype(np.uint8)
        labels = shares.back(parts)
        np.testing.assert_array_equal(labels, parts / whole)
        assert shares.of(labels) is not None


@pytest.mark.parametrize("shape", [(5, 7), (6, 4), (11,), (3, 4, 5)])
@pytest.mark.parametrize("mask", ["amplitude", "low", "random"])
def test_masks_are_bits_in_canonical_order(tmp_path, shape, mask):
    pixels = np.random.default_rng(3).random((4, 2, *shape), np.float32)
    data = fredfmt.encode(pixels, [0, 0, 1, 1], k=6, step=0.125, mask=mask)
    fredfmt.save(data, tmp_path / "x.fred")
    assert fredfmt.load(tmp_path / "x.fred") == data
    stored = read_package(tmp_path / "x.fred").arrays["frequencies"]
    order = coarse_to_fine(shape)
    assert stored.dtype == np.uint8
    assert stored.shape[1] <= np.prod(shape)
    for row, mask_of_class in zip(stored.read(), data.frequencies, strict=True):
        np.testing.assert_array_equal(order[np.flatnonzero(row)], mask_of_class)


def test_masks_of_very_many_bits_are_indices(tmp_path):
    whole = 2**16
    data = made()
    frequencies = np.stack([np.array([0, 1, 2, 3, 4, whole - 1 - i], np.uint16) for i in range(3)])
    wide = replace(data.metadata, spatial_shape=(whole,))
    data = replace(data, frequencies=frequencies, metadata=wide)
    fredfmt.save(data, tmp_path / "x.fred")
    assert fredfmt.load(tmp_path / "x.fred") == data
    assert read_package(tmp_path / "x.fred").arrays["frequencies"].dtype == np.uint16


def test_some_classes_of_a_compact_file(tmp_path):
    data = softened(made(), 16)
    fredfmt.save(data, tmp_path / "x.fred")
    part = fredfmt.load(tmp_path / "x.fred", classes=[1])
    np.testing.assert_array_equal(part.labels, data.labels[data.labels.argmax(1) == 1])


def test_plain_zarr_opens_it(tmp_path):
    data = made(step=None)
    fredfmt.save(data, tmp_path / "x.fred")
    with zarr.storage.ZipStore(tmp_path / "x.fred", mode="r") as store:
        group = zarr.open_group(store, mode="r")
        assert sorted(name for name, _ in group.arrays()) == ["coefficients", "frequencies"]
        np.testing.assert_array_equal(group["coefficients"][...], data.coefficients)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [{}, {"step": None}, {"base": True}], ids=str)
def test_the_ledger_of_a_file_is_read_from_the_file(tmp_path, monkeypatch, suffix, kind):
    data, path = made(**kind), tmp_path / f"x{suffix}"
    fredfmt.save(data, path)
    computed = ledger(data)

    def never(*_):
        raise AssertionError("compressed again")

    monkeypatch.setattr(ledgers, "as_archive", never)
    account = ledger(data, file=path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    assert account.total == stored_size(path) == sum(file.stat().st_size for file in files)
    assert account.coefficients > 0
    assert account.metadata > 0
    assert account.container >= 0
    assert (account.base > 0) == bool(kind.get("base"))
    if suffix == ".fred":
        assert account == computed


def test_a_bit_of_the_deflated_document_is_damage(tmp_path):
    fredfmt.save(made(), tmp_path / "x.fred")
    content = (tmp_path / "x.fred").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.fred") as file:
        length = file.getinfo("zarr.json").compress_size
    for place in range(39, 39 + length, 23):
        damaged = bytearray(content)
        damaged[place] ^= 16
        (tmp_path / "y.fred").write_bytes(damaged)
        with pytest.raises(IntegrityError, match="Get the file again"):
            fredfmt.load(tmp_path / "y.fred")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_limits_of_the_metadata_are_the_same_in_all_containers(tmp_path, suffix):
    """A document of exactly the largest size and nesting is written and read; one byte or level more is neither."""
    data, path = made(), tmp_path / f"x{suffix}"

    def noted(notes):
        return replace(data, metadata=replace(data.metadata, ext=notes))

    deep = {}
    for _ in range(14):
        deep = {"a": deep}
    fredfmt.save(noted(deep), path)
    assert fredfmt.load(path) == noted(deep)
    with pytest.raises(LimitError, match="json_depth"):
        fredfmt.save(noted({"a": deep}), path)

    def size_of(notes):
        package = read_package(path)
        return len(fredfmt.model.documents.canonical(package.document))

    fredfmt.save(noted({"a": ""}), path)
    room = Limits().json_bytes - size_of({"a": ""})
    fredfmt.save(noted({"a": "x" * room}), path)
    assert fredfmt.load(path) == noted({"a": "x" * room})
    with pytest.raises(LimitError, match="json_bytes"):
        fredfmt.save(noted({"a": "x" * (room + 1)}), path)
    assert fredfmt.load(path) == noted({"a": "x" * room})


def test_an_archive_inflates_no_more_than_it_declares():
    entries = {"zarr.json": b"{}"}
    content = archive.pack(entries, compact=True)
    assert bytes(archive.unpack(content)["zarr.json"]) == b"{}"
    with pytest.raises(FormatError):
        archive.unpack(content[:-1])
    with pytest.raises(LimitError, match="json_bytes"):
        archive.unpack(archive.pack({"zarr.json": bytes(1 << 21)}, compact=True))
