"""Every form of export, read back by a library that is not ours, and by the importers."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import safetensors
import safetensors.numpy
import torch
from PIL import Image

from fredfmt import ArgumentError, decode, encode
from fredfmt.data.sources import open_source
from fredfmt.exchange.exporters import BY_SUFFIX, EXPORTERS, IN_TRAINING, WHITENED, export
from fredfmt.exchange.importers import Facts, import_file
from fredfmt.model.parts import Whitening

CLASSES = tuple("abcdefghij")
MEAN, STD = (0.3, 0.31, 0.32), (0.4, 0.41, 0.42)


@pytest.fixture(scope="module")
def images():
    """Thirty real digits in three shades, 7 by 5, normalised, in random order."""
    source = open_source("digits").sample(3, seed=0)
    order = np.random.default_rng(0).permutation(30)
    stretched = np.repeat(source.batch(order)[:, :, :7, :5], 3, axis=1)
    return stretched * np.array([1, 0.5, 0.25], np.float32)[:, None, None], source.labels[order]


def data_of(images, labels, **more):
    return encode(
        images, labels, k=20, transform="dct", mask="low", step=0.1, normalization=(MEAN, STD), classes=CLASSES, **more
    )


@pytest.fixture(scope="module")
def hard(images):
    return data_of(*images, recipe={"lr": 0.015}, license="CC0-1.0")


@pytest.fixture(scope="module")
def soft(images):
    shares = np.random.default_rng(1).dirichlet(np.ones(10), 30) * 0.3 + 0.7 * np.eye(10)[images[1]]
    return data_of(images[0], shares.astype(np.float32), recipe={"lr": 0.015})


def pixels(data):
    return (decode(data, normalized=False).clamp(0, 1) * 255).round().numpy().astype(np.uint8)


def test_dc(hard, soft, tmp_path):
    export(hard, tmp_path / "res_DM.pt")
    value = torch.load(tmp_path / "res_DM.pt", weights_only=True)
    ((images, labels),) = value["data"]
    assert torch.equal(images, decode(hard))
    assert images.dtype == torch.float32
    assert torch.equal(labels, torch.tensor(hard.labels.astype(np.int64)))
    assert value["accs_all_exps"] == {}
    with pytest.raises(ArgumentError, match="--to mtt"):
        export(soft, tmp_path / "soft.pt")
    assert not (tmp_path / "soft.pt").exists()


def test_mtt_and_datm(hard, soft, tmp_path):
    export(hard, tmp_path / "mtt", to="mtt")
    assert torch.equal(torch.load(tmp_path / "mtt" / "images_best.pt", weights_only=True), decode(hard))
    assert torch.load(tmp_path / "mtt" / "lr_best.pt", weights_only=True).item() == pytest.approx(0.015)
    export(soft, tmp_path / "datm", to="mtt")
    labels = torch.load(tmp_path / "datm" / "labels_best.pt", weights_only=True)
    np.testing.assert_allclose(torch.softmax(labels, 1), soft.labels, atol=1e-6)


def test_ddranking_is_class_by_class(hard, soft, tmp_path):
    for data in (hard, soft):
        place = tmp_path / ("soft" if data.soft else "hard")
        export(data, place, to="ddranking")
        images, labels, lr = (
            torch.load(place / name, weights_only=True) for name in ("images.pt", "labels.pt", "lr.pt")
        )
        own = data.labels.argmax(1) if data.soft else data.labels
        order = sorted(range(30), key=lambda row: (own[row], row))
        assert torch.equal(images, decode(data)[order])
        numbers = labels.argmax(1) if data.soft else labels
        assert numbers.tolist() == [label for label in range(10) for _ in range(3)]
        assert lr.item() == pytest.approx(0.015)
    np.testing.assert_allclose(torch.softmax(labels, 1), soft.labels[order], atol=1e-6)


def test_ddranking_wants_equal_classes(images, tmp_path):
    with pytest.raises(ArgumentError, match="the same number of images"):
        export(data_of(images[0][:29], images[1][:29]), tmp_path / "x", to="ddranking")
    assert not list(tmp_path.iterdir())


def test_safetensors(hard, soft, tmp_path):
    for data in (hard, soft):
        path = tmp_path / f"{data.soft}.safetensors"
        export(data, path)
        arrays = safetensors.numpy.load_file(path)
        assert np.array_equal(arrays["images"], decode(data, normalized=False).numpy())
        assert np.array_equal(arrays["labels"], data.labels)
        with safetensors.safe_open(path, "np") as file:
            assert json.loads(file.metadata()["class_names"]) == list(CLASSES)
            assert file.metadata().get("license") == data.metadata.license


def test_parquet(hard, soft, tmp_path):
    for data in (hard, soft):
        path = tmp_path / f"{data.soft}.parquet"
        export(data, path)
        table = pyarrow.parquet.read_table(path)
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["image"] == {"_type": "Image"}
        assert features["label"] == {"names": list(CLASSES), "_type": "ClassLabel"}
        assert set(features) == set(table.column_names)
        rows = table.to_pylist()
        for row, image in zip(rows, pixels(data), strict=True):
            read = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
            assert np.array_equal(np.moveaxis(read, -1, 0), image)
        assert [row["label"] for row in rows] == (data.labels.argmax(1) if data.soft else data.labels).tolist()
    assert np.array_equal(np.array([row["probabilities"] for row in rows], np.float32), soft.labels)


def test_webdataset(hard, soft, tmp_path):
    for data in (hard, soft):
        path = tmp_path / f"{data.soft}.tar"
        export(data, path)
        with tarfile.open(path) as archive:
            entries = archive.getmembers()
            read = {entry.name: archive.extractfile(entry).read() for entry in entries}
        assert {entry.mtime for entry in entries} == {0}
        assert [entry.name.partition(".")[0] for entry in entries] == [f"{row:06}" for row in range(30) for _ in "123"]
        own = data.labels.argmax(1) if data.soft else data.labels
        for row, image in enumerate(pixels(data)):
            assert np.array_equal(np.moveaxis(np.asarray(Image.open(io.BytesIO(read[f"{row:06}.png"]))), -1, 0), image)
            assert int(read[f"{row:06}.cls"]) == own[row]
            told = json.loads(read[f"{row:06}.json"])
            assert told["class"] == CLASSES[own[row]]
            assert told.get("probabilities") == (data.labels[row].tolist() if data.soft else None)


@pytest.mark.parametrize("to", EXPORTERS)
def test_the_same_data_are_the_same_bytes(to, hard, tmp_path):
    digests = []
    for name in ("first", "second one"):
        export(hard, tmp_path / name, to=to)
        files = sorted(path for path in [tmp_path / name, *(tmp_path / name).rglob("*")] if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1] != []


@pytest.mark.parametrize("to", EXPORTERS)
def test_a_failure_leaves_nothing(to, hard, tmp_path, monkeypatch):
    written = []

    def second_fails(original):
        def write(*words, **options):
            written.append(original)
            if len(written) > 1 or original.__name__ in ("savez", "write_table"):
                raise OSError("no space left on device")
            return original(*words, **options)

        return write

    for module, name in (
        (torch, "save"),
        (np, "savez"),
        (pyarrow.parquet, "write_table"),
        (tarfile.TarFile, "addfile"),
        (Path, "write_bytes"),
        (json, "dumps"),
    ):
        monkeypatch.setattr(module, name, second_fails(getattr(module, name)))
    with pytest.raises(OSError, match="no space left"):
        export(hard, tmp_path / "x", to=to)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_refused(hard, tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="unknown form"):
        export(hard, tmp_path / "x.zip")
    (tmp_path / "x.tar").touch()
    with pytest.raises(ArgumentError, match="exists already"):
        export(hard, tmp_path / "x.tar")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ArgumentError, match="pip install pyarrow"):
        export(hard, tmp_path / "x.parquet")
    assert set(BY_SUFFIX.values()) <= set(EXPORTERS)


def test_soft_labels_need_a_learning_rate_in_mtts_form(soft, images, tmp_path):
    without = data_of(images[0], soft.labels)
    with pytest.raises(ArgumentError, match="learning rate"):
        export(without, tmp_path / "x", to="mtt")


NORMALISED = {"mean": MEAN, "std": STD, "classes": CLASSES}
BACK = {
    "dc": ("x.pt", NORMALISED, "dc"),
    "mtt": ("x", {**NORMALISED, "zca": "no"}, "pair"),
    "ddranking": ("x", {**NORMALISED, "zca": "no"}, "pair"),
    "npz": ("x.npz", {}, "arrays"),
    "safetensors": ("x.safetensors", {}, "arrays"),
    "png": ("x", {}, "folder"),
}


@pytest.mark.parametrize("to", BACK)
def test_what_was_taken_out_comes_back(to, hard, tmp_path):
    name, facts, kind = BACK[to]
    export(hard, tmp_path / name, to=to)
    data = import_file(tmp_path / name, Facts(**facts))
    assert data.metadata.ext["fredfmt.import"]["kind"] == kind
    order = np.argsort(hard.labels, kind="stable") if to in ("ddranking", "png") else np.arange(30)
    expected = decode(hard, normalized="mean" in facts).numpy()[order]
    if to == "png":
        expected = pixels(hard)[order] / np.float32(255)
    assert np.array_equal(decode(data).numpy(), expected)
    assert np.array_equal(data.labels, hard.labels[order])
    assert to == "png" or data.metadata.classes == CLASSES
    assert data.metadata.recipe.get("lr") == (pytest.approx(0.015) if to in ("mtt", "ddranking") else None)


@pytest.mark.parametrize("to", ["mtt", "ddranking", "npz", "safetensors"])
def test_soft_labels_come_back(to, soft, tmp_path):
    name, facts, kind = BACK[to]
    export(soft, tmp_path / name, to=to)
    data = import_file(tmp_path / name, Facts(**facts))
    order = np.argsort(soft.labels.argmax(1), kind="stable") if to == "ddranking" else np.arange(30)
    np.testing.assert_allclose(data.labels, soft.labels[order], atol=1e-6)
    assert data.metadata.ext["fredfmt.import"]["kind"] == {"pair": "triple"}.get(kind, kind)


@pytest.mark.parametrize("to", ["dc", "mtt", "ddranking", "npz", "safetensors"])
@pytest.mark.parametrize("shape", [(9,), (3, 4, 5)])
def test_data_of_one_and_three_axes_come_back(to, shape, tmp_path):
    values = np.random.default_rng(2).normal(size=(6, 2, *shape)).astype(np.float32)
    labels = np.repeat([0, 1, 2], 2)
    facts = {"classes": ("a", "b", "c")}
    made = encode(values, labels, k=5, step=None, normalization=((0.5, 0.4), (0.2, 0.3)), recipe={"lr": 0.1}, **facts)
    name = BACK[to][0]
    export(made, tmp_path / name, to=to)
    if to in IN_TRAINING:
        facts |= {"mean": (0.5, 0.4), "std": (0.2, 0.3), "channels": "first", "zca": None if to == "dc" else "no"}
    back = import_file(tmp_path / name, Facts(**facts))
    assert np.array_equal(decode(back).numpy(), decode(made, normalized=to in IN_TRAINING).numpy())
    assert np.array_equal(back.labels, labels)


@pytest.mark.parametrize("to", ["png", "parquet", "webdataset"])
def test_pictures_have_two_axes(to, tmp_path):
    made = encode(np.zeros((2, 1, 9), np.float32), [0, 1], k=5, mask="low")
    with pytest.raises(ArgumentError, match="only images of 1 or 3 channels"):
        export(made, tmp_path / "x", to=to)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", EXPORTERS)
def test_whitened_images_go_only_where_that_is_known(to, images, tmp_path):
    white = encode(images[0], images[1], k=35, step=None, classes=CLASSES, whitening=Whitening("zca", 0.1))
    if to not in WHITENED:
        with pytest.raises(ArgumentError, match=r"ZCA-whitened.*--to mtt"):
            export(white, tmp_path / "x", to=to)
        assert not list(tmp_path.iterdir())
        return
    assert "whitened" in export(white, tmp_path / "x", to=to)
    facts = Facts(classes=CLASSES, zca="keep", zca_epsilon=0.1, lr="unknown")
    back = import_file(tmp_path / "x", facts)
    assert back.metadata.whitening == Whitening("zca", 0.1)
    order = np.argsort(images[1], kind="stable") if to == "ddranking" else np.arange(30)
    assert np.array_equal(decode(back).numpy(), decode(white).numpy()[order])


def test_the_space_is_said_and_files_are_replaced_only_by_force(hard, tmp_path):
    assert export(hard, tmp_path / "x.npz") == "in 0..1"
    assert export(hard, tmp_path / "x.pt") == "normalised with mean 0.3, 0.31, 0.32 and std 0.4, 0.41, 0.42"
    (tmp_path / "x.npz").write_bytes(b"old")
    with pytest.raises(ArgumentError, match="--force"):
        export(hard, tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == b"old"
    export(hard, tmp_path / "x.npz", force=True)
    assert len(np.load(tmp_path / "x.npz")["images"]) == 30
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArgumentError, match="the folder exists already"):
        export(hard, tmp_path / "folder", force=True)
