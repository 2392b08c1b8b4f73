"""`hf:NAME`: what Hugging Face `datasets` loads, saves and streams, here from folders; and a Hub out of reach."""

import gc
import json
import pickle
import tempfile

import numpy as np
import pytest
from PIL import Image
from written import channels_first, pixels

from fredfmt import ArgumentError, SourceError
from fredfmt.data.sources import open_source

pytestmark = [pytest.mark.needs("datasets"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
NAMES = ["cow", "ant", "bee"]


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    """A cache of the test's own, and no network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True, raising=False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def made(count, first=0, **columns):
    """A `Dataset` of images, and their pixels."""
    import datasets

    images = [pixels(first + index) for index in range(count)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    data = {"image": [Image.fromarray(image) for image in images], "label": [index % 3 for index in range(count)]}
    dataset = datasets.Dataset.from_dict(data, features=features)
    for name, values in columns.items():
        dataset = dataset.add_column(name, values)
    return dataset, channels_first(images)


def write(folder, how, splits):
    import datasets

    if how == "saved":
        datasets.DatasetDict(splits).save_to_disk(folder)
        return
    folder.mkdir()
    for name, dataset in splits.items():
        dataset.to_parquet(folder / f"{name}-00000-of-00001.parquet", batch_size=9)


@pytest.mark.parametrize("how", ["saved", "parquet"])
def test_what_the_library_wrote(tmp_path, how):
    (train, images), (test, test_images) = made(130), made(9, 500)
    write(tmp_path / "pets", how, {"train": train, "test": test, "validation": test})
    source, held = (open_source(f"hf:{tmp_path}/pets", split=split) for split in ("train", "test"))
    assert source.classes == held.classes == tuple(NAMES)
    assert source.labels.tolist() == [index % 3 for index in range(130)]
    order = np.random.default_rng(0).permutation(130)
    np.testing.assert_array_equal(source.images[order], images[order])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(held)).images[:], test_images)
    found = {"name": "hf:pets", "split": "train", "count": 130}
    assert source.provenance() == {**found, "left_out": {"images of the split validation": 9}}
    assert source.images.coded.place(7).endswith(": row 7")
    again = open_source(f"hf:{tmp_path}/pets#test=validation", split="test", classes=["bee"])
    assert len(again) == 3
    shards = open_source(f"parquet:{tmp_path}/pets") if how == "parquet" else source
    np.testing.assert_array_equal(shards.images[:], source.images[:])
    assert shards.normalization == source.normalization


def test_image_files_by_their_paths(tmp_path):
    images = [pixels(index) for index in range(10)]
    for index, image in enumerate(images):
        path = tmp_path / "pets" / "train" / NAMES[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    source = open_source(f"hf:{tmp_path}/pets")
    assert (source.classes, len(source)) == (("ant", "cow"), 8)
    everything = {image.tobytes() for image in channels_first(images)}
    assert {image.tobytes() for image in source.images[:]} < everything


def test_a_table_names_no_files_outside_of_it(tmp_path):
    import pyarrow as arrow
    import pyarrow.parquet

    Image.fromarray(pixels(0)).save(tmp_path / "secret.png")
    (tmp_path / "pets").mkdir()
    features = {"image": {"_type": "Image"}, "label": {"_type": "Value", "dtype": "int64"}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    struct = arrow.struct({"bytes": arrow.binary(), "path": arrow.string()})
    images = arrow.array([{"path": str(tmp_path / "secret.png")}] * 6, struct)
    table = arrow.table({"image": images, "label": [0, 1] * 3}).replace_schema_metadata(told)
    pyarrow.parquet.write_table(table, tmp_path / "pets" / "train.parquet")
    with pytest.raises(SourceError, match="the path of the image is outside the dataset"):
        open_source(f"hf:{tmp_path}/pets")


def test_the_first_images_of_a_stream(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (train, images), (test, test_images) = made(60), made(9, 500)
    write(tmp_path / "pets", "parquet", {"train": train, "test": test})
    source = open_source(f"hf:{tmp_path}/pets#first=24")
    np.testing.assert_array_equal(source.images[:], images[:24])
    np.testing.assert_array_equal(open_source(f"hf:{tmp_path}/pets#first=24", split="test").images[:], test_images)
    assert source.provenance()["selection"] == "the first 24 images"
    assert not list((tmp_path / "cache").rglob("*.arrow"))
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del source
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())
    for wrong in ("0", "-1", "many"):
        with pytest.raises(ArgumentError, match="unusable #first"):
            open_source(f"hf:{tmp_path}/pets#first={wrong}")


def test_the_first_images_of_a_folder_of_files(tmp_path):
    for index in range(6):
        path = tmp_path / "pets" / "train" / ("cat", "dog")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(index)).save(path)
    whole = open_source(f"hf:{tmp_path}/pets")
    source = open_source(f"hf:{tmp_path}/pets#first=6")
    np.testing.assert_array_equal(source.images[:], whole.images[:])
    assert source.classes == whole.classes == ("cat", "dog")
    assert source.name == "hf:pets#first=6"


def test_nulls_and_labels_that_are_not_published(tmp_path):
    import datasets

    dataset, _ = made(6)
    hidden = dataset.map(lambda row: {"label": -1}, features=dataset.features)
    write(tmp_path / "hidden", "saved", {"train": dataset, "test": hidden, "validation": dataset})
    with pytest.raises(SourceError, match=r"\.arrow: row 0: an image has no label; .*#test="):
        open_source(f"hf:{tmp_path}/hidden", split="test")
    assert len(open_source(f"hf:{tmp_path}/hidden#test=validation", split="test")) == 6
    some = datasets.Dataset.from_list([*dataset, {"image": None, "label": 1}], features=dataset.features)
    write(tmp_path / "null", "saved", {"train": some})
    with pytest.raises(SourceError, match=r"\.arrow: row 6: the image is null"):
        open_source(f"hf:{tmp_path}/null")


def test_splits_that_cannot_be_told(tmp_path):
    dataset, _ = made(9)
    write(tmp_path / "pets", "saved", {"left": dataset, "right": dataset})
    with pytest.raises(SourceError, match=r"no train split; found left, right. Say which: #train="):
        open_source(f"hf:{tmp_path}/pets")
    with pytest.raises(ArgumentError, match="no such split; expected left, right, found up"):
        open_source(f"hf:{tmp_path}/pets#train=up")
    assert len(open_source(f"hf:{tmp_path}/pets#train=left#test=right", split="test")) == 9


def test_what_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="nobody/nothing: unavailable"):
        open_source("hf:nobody/nothing")
    with pytest.raises(ArgumentError, match="a name is missing; expected hf:NAME"):
        open_source("hf:")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: unavailable"):
        open_source(f"hf:{tmp_path}/empty")


@pytest.mark.parametrize(("module", "where"), [("datasets", "hf:x"), ("pyarrow", "parquet:x")])
def test_the_library_is_an_extra(monkeypatch, module, where):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(SourceError, match=rf"needs {module}.*pip install {module}"):
        open_source(where)
