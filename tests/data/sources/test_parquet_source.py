"""`parquet:PATH`: files of pyarrow and of `datasets`, in any split into row groups, and hostile ones."""

import json
import os
import pickle

import numpy as np
import pytest
from written import channels_first, coded, pixels, png, write_parquet

from fredfmt import ArgumentError, FredError, SourceError, encode
from fredfmt.data.sources import open_source
from fredfmt.data.sources.shards import row_groups

pytestmark = pytest.mark.needs("pyarrow")
NAMES = ("ant", "bee", "cow")


def features(**columns):
    told = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(NAMES)}, **columns}
    return {"huggingface": json.dumps({"info": {"features": told}})}


def write_split(folder, split, count, *, shards=2, first=0, **options):
    """Images of three classes in some shards; their pixels and labels."""
    images = [pixels(first + index) for index in range(count)]
    labels = np.arange(count) % 3
    options.setdefault("metadata", features())
    for shard, rows in enumerate(np.array_split(np.arange(count), shards)):
        name = f"{split}-{shard:05}-of-{shards:05}.parquet"
        write_parquet(folder / name, [coded(images[row]) for row in rows], labels[rows].tolist(), **options)
    return channels_first(images), labels


@pytest.mark.parametrize(
    "options",
    [
        {"row_group_size": 7},
        {"row_group_size": 1, "compression": "zstd"},
        {"use_dictionary": False, "compression": "none"},
        {"structs": False, "data_page_version": "2.0"},
        {"write_batch_size": 3, "data_page_size": 2000},
    ],
    ids=["groups", "single", "plain", "binary", "pages"],
)
def test_rows_in_any_order(tmp_path, options):
    images, labels = write_split(tmp_path / "data", "train", 47, **options)
    test_images, _ = write_split(tmp_path / "data", "validation", 9, first=500, **options)
    source, test = (open_source(f"parquet:{tmp_path}", split=split) for split in ("train", "test"))
    assert source.classes == test.classes == NAMES
    assert source.labels.tolist() == labels.tolist()
    for rows in (slice(None), slice(11, 30), np.array([46, 0, 23, 23, 1]), np.array([], int)):
        np.testing.assert_array_equal(source.images[rows], images[rows])
    np.testing.assert_array_equal(test.images[:], test_images)
    assert test.normalization == source.normalization
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.images[5:9], images[5:9])
    assert source.provenance() == {"name": f"parquet:{tmp_path.name}", "split": "train", "count": 47}


def test_images_that_do_not_stay_in_memory(tmp_path, monkeypatch):
    """The cache is full after three images, and batches are of two."""
    images, _ = write_split(tmp_path, "train", 40, shards=3, row_group_size=9)
    monkeypatch.setattr(row_groups, "CACHE", 3 * len(coded(pixels(0))) + 10)
    monkeypatch.setattr(row_groups, "BATCH_ROWS", 2)
    source = open_source(f"parquet:{tmp_path}", split="train")
    everything = {image.tobytes() for image in images}
    assert {image.tobytes() for image in source.images[:]} < everything
    order = np.random.default_rng(0).permutation(len(source))
    np.testing.assert_array_equal(source.images[order], source.images[:][order])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).images[order[:5]], source.images[:][order[:5]])
    for path in tmp_path.iterdir():
        path.unlink()
    assert 3 <= sum(is_readable(source, row) for row in range(len(source))) <= 3 + 2


def is_readable(source, row):
    try:
        source.images[row : row + 1]
    except FredError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_reads_by_itself(tmp_path):
    images, _ = write_split(tmp_path, "train", 20, shards=1, row_group_size=20)
    write_split(tmp_path, "test", 3)
    source = open_source(f"parquet:{tmp_path}")
    source.images[:3]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, source.images[np.array([17])].tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1 << 16) == images[17].tobytes()
    np.testing.assert_array_equal(source.images[4:8], images[4:8])


def test_a_file_alone_holds_out_a_fifth(tmp_path):
    images, _ = write_split(tmp_path, "train", 30, shards=1)
    path = f"parquet:{tmp_path}/train-00000-of-00001.parquet"
    train, test = (open_source(path, split=split) for split in ("train", "test"))
    assert (len(train), len(test)) == (24, 6)
    assert {image.tobytes() for part in (train, test) for image in part.images[:]} == {im.tobytes() for im in images}
    assert test.provenance()["selection"] == "a random 20 % of every class, seed 0"
    few = open_source(path, classes=["cow", "ant"])
    assert few.classes == ("cow", "ant")
    assert np.bincount(few.labels).tolist() == [8, 8]
    assert encode(few.normalized, few.labels, k=9).coefficients.shape == (16, 3, 9)


def test_other_shards_of_test(tmp_path):
    write_split(tmp_path / "a", "x", 9)
    write_split(tmp_path / "b", "y", 6)
    where = f"parquet:{tmp_path}/a/*.parquet#test={tmp_path}/b"
    assert [len(open_source(where, split=split)) for split in ("train", "test")] == [9, 6]


@pytest.mark.parametrize("kind", ["text", "categories", "numbers"])
def test_labels_without_metadata(tmp_path, kind):
    import pyarrow as arrow

    labels = ["bee", "ant", "bee", "dog"] * 2 if kind != "numbers" else [1, 0, 1, 2] * 2
    column = arrow.array(labels).dictionary_encode() if kind == "categories" else arrow.array(labels)
    for name in ("train", "test"):
        write_parquet(tmp_path / f"{name}.parquet", [png(index) for index in range(8)], column)
    for split in ("train", "test"):
        source = open_source(f"parquet:{tmp_path}", split=split)
        assert source.classes == (("ant", "bee", "dog") if kind != "numbers" else ("0", "1", "2"))
        assert source.labels.tolist() == [1, 0, 1, 2] * 2


def test_images_of_several_sizes_and_modes_are_as_in_folders(tmp_path):
    shapes = [(20, 30), (31, 17), (9, 9)]
    images = [png(index, height=h, width=w) for index, (h, w) in enumerate(shapes)]
    grey = coded(pixels(5, channels=1, height=12, width=12), "JPEG")
    for name in ("train", "test"):
        write_parquet(tmp_path / "shards" / f"{name}.parquet", [*images, grey], [0, 1, 0, 1])
    source = open_source(f"parquet:{tmp_path}/shards", size=(8, 6))
    for index, content in enumerate([*images, grey]):
        (tmp_path / "folder" / "train" / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        suffix = "jpg" if content is grey else "png"
        (tmp_path / "folder" / "train" / "ab"[index % 2] / f"{index}.{suffix}").write_bytes(content)
    folder = open_source(f"folder:{tmp_path}/folder", size=(8, 6))
    np.testing.assert_array_equal(source.images[np.array([0, 2, 1, 3])], folder.images[:])
    with pytest.raises(SourceError, match=r"train\.parquet: row 1: images differ in size"):
        open_source(f"parquet:{tmp_path}/shards")


def test_columns_are_told_or_asked_for(tmp_path):
    import pyarrow as arrow
    import pyarrow.parquet

    columns = {"img": [png(index) for index in range(6)], "fine": [0, 1, 2] * 2, "coarse": [0, 1] * 3, "id": [9] * 6}
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(arrow.table(columns), path)
    with pytest.raises(
        SourceError, match=r"several columns could be the label; .*fine, coarse, id. Say which: #label="
    ):
        open_source(f"parquet:{path}")
    assert open_source(f"parquet:{path}#label=coarse").classes == ("0", "1")
    for wrong in ("#label=img", "#image=fine", "#label=none"):
        with pytest.raises(ArgumentError, match=r"no such (label|image) column"):
            open_source(f"parquet:{path}{wrong}")
    for wrong in ("#labels=fine", "#label=", "#label=fine#label=fine"):
        with pytest.raises(ArgumentError, match="unusable option"):
            open_source(f"parquet:{path}{wrong}")
    told = {
        "img": {"_type": "Image"},
        "fine": {"_type": "ClassLabel", "names": list(NAMES)},
        "coarse": {"_type": "Value"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": told}})}
    pyarrow.parquet.write_table(arrow.table(columns).replace_schema_metadata(metadata), path)
    assert open_source(f"parquet:{path}").classes == NAMES


def write_bad(folder, kind):
    """A folder with a sound test split, and a train split of eight rows that has one fault."""
    import pyarrow as arrow
    import pyarrow.parquet

    images, labels, options = [png(index) for index in range(8)], [0, 1] * 4, {}
    write_parquet(folder / "test.parquet", images, labels)
    path = folder / "train.parquet"
    if kind == "null image":
        images[5] = None
    elif kind == "null label":
        labels[5] = None
    elif kind == "no label":
        labels[5] = -1
    elif kind == "huge label":
        labels[5] = 2**40
    elif kind == "beyond 64 bits":
        labels = arrow.array([0, 1, 2, 3, 4, 2**63 + 1, 0, 1], arrow.uint64())
    elif kind == "undecodable":
        images[5] = b"\x89PNG no more"
    elif kind == "program":
        images[5] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    elif kind == "float labels":
        labels = [0.0, 1.0] * 4
    elif kind == "lists":
        labels = [[0], [1]] * 4
    elif kind == "bad names":
        options["metadata"] = features(label={"_type": "ClassLabel", "names": ["ant", "ant"]})
    elif kind == "few names":
        options["metadata"] = features(label={"_type": "ClassLabel", "names": ["ant"]})
    elif kind == "bad metadata":
        options["metadata"] = {"huggingface": "{"}
    write_parquet(path, images, labels, **options)
    content = path.read_bytes()
    if kind == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_bytes(b"hello" * 100)
    elif kind == "long footer":
        path.write_bytes(content[:-8] + (2**31).to_bytes(4, "little") + b"PAR1")
    elif kind == "damaged footer":
        length = int.from_bytes(content[-8:-4], "little")
        path.write_bytes(content[: -8 - length] + b"\xff" * length + content[-8:])
    elif kind == "damaged page":
        path.write_bytes(content[:4] + b"\xff" * 40 + content[44:])
    elif kind == "other columns":
        table = arrow.table({"image": images, "labels": labels})
        pyarrow.parquet.write_table(table, folder / "train-2.parquet")
    elif kind == "no rows":
        write_parquet(path, [], arrow.array([], arrow.int64()))
    elif kind == "paths alone":
        struct = arrow.struct({"bytes": arrow.binary(), "path": arrow.string()})
        table = arrow.table({"image": arrow.array([{"path": "/etc/passwd"}] * 8, struct), "label": labels})
        pyarrow.parquet.write_table(table, path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("null image", r"train\.parquet: row 5: the image is null"),
        ("null label", r"train\.parquet: row 5: the label is null"),
        ("no label", r"train\.parquet: row 5: an image has no label; .*#test="),
        ("huge label", r"train\.parquet: row 5: labels are not class numbers"),
        ("beyond 64 bits", r"train\.parquet: rows 0 to 7: unusable labels"),
        ("undecodable", r"train\.parquet: row 5: cannot be decoded"),
        ("program", r"train\.parquet: row 5: cannot be decoded"),
        (
            "float labels",
            r"no label column; expected ClassLabel, or integers .*, label \(double\)",
        ),
        ("lists", "no label column"),
        ("bad names", r"train\.parquet: label: unusable class names"),
        ("few names", r"train\.parquet: row 1: a label is not a class"),
        ("bad metadata", r"train\.parquet: the schema's metadata huggingface cannot be read"),
        ("cut off", r"train\.parquet: not Parquet, or cut off"),
        ("empty", r"train\.parquet: not Parquet, or cut off"),
        ("text", r"train\.parquet: not Parquet, or cut off"),
        ("long footer", r"train\.parquet: not Parquet, or cut off"),
        ("damaged footer", r"train\.parquet: not readable Parquet"),
        ("damaged page", r"train\.parquet: not readable Parquet"),
        ("other columns", r"train(-2)?\.parquet: a shard differs in its columns"),
        ("no rows", "no images"),
        ("paths alone", r"train\.parquet: row 0: the image is null, or a path without bytes"),
    ],
)
def test_hostile_files(tmp_path, kind, message):
    write_bad(tmp_path, kind)
    with pytest.raises(FredError, match=message):
        open_source(f"parquet:{tmp_path}").images[:]


def test_more_than_the_file_says(tmp_path, monkeypatch):
    """Sizes in a footer are claims."""
    from fredfmt.data.sources.shards import parquet_file

    images = [coded(np.zeros((200, 200), np.uint8), "BMP")] * 400
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", images, [0, 1] * 200, compression="zstd", use_dictionary=False)
    monkeypatch.setattr(parquet_file, "HARMLESS", 1 << 20)
    with pytest.raises(SourceError, match=r"train\.parquet: row group 0: implausible sizes"):
        open_source(f"parquet:{tmp_path}")
    write_parquet(tmp_path / "train.parquet", [b"x"] * 90_000, [0] * 90_000, compression="zstd")
    with pytest.raises(SourceError, match=r"train\.parquet: more rows than bytes"):
        open_source(f"parquet:{tmp_path}")


def test_a_file_that_goes_away(tmp_path):
    write_split(tmp_path, "train", 9)
    write_split(tmp_path, "test", 9)
    source = open_source(f"parquet:{tmp_path}")
    source = pickle.loads(pickle.dumps(source))
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(FredError, match="cannot be read"):
        source.images[:]


def test_the_name_has_the_options_and_classes_without_images_are_named(tmp_path):
    images = [png(index) for index in range(8)]
    names = {"_type": "ClassLabel", "names": ["ant", "bee, wild", "cat", "dog"]}
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", images, [1, 2] * 4, metadata=features(label=names))
    with pytest.raises(SourceError, match=r"2 classes have no images.*--classes '\"bee, wild\",cat'") as caught:
        open_source(f"parquet:{tmp_path}")
    assert "class ant, dog" in str(caught.value)
    source = open_source(f"parquet:{tmp_path}#label=label", classes=["bee, wild", "cat"])
    assert source.name == f"parquet:{tmp_path.name}#label=label"
    with pytest.raises(ArgumentError, match=r"#label: no such label column; .*found image \(struct"):
        open_source(f"parquet:{tmp_path}#label=image")
