"""`webdataset:PATH`: tar files of the library, of our own exporter, and hostile ones."""

import gzip
import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner
from written import channels_first, coded, pixels, png, write_tar

from fredfmt import FredError, SourceError, encode
from fredfmt.cli.app import app
from fredfmt.data.sources import open_source
from fredfmt.data.sources.shards.paths import braces, find_shards
from fredfmt.exchange.exporters import export


@pytest.mark.needs("webdataset")
@pytest.mark.parametrize("suffix", ["png", "webp", "ppm"])
def test_shards_of_the_library(tmp_path, suffix):
    import webdataset

    written = {
        split: [pixels(first + index) for index in range(count)]
        for split, first, count in (("train", 0, 31), ("val", 90, 8))
    }
    for split, images in written.items():
        with webdataset.ShardWriter(f"{tmp_path}/pets-{split}-%04d.tar", maxcount=12, verbose=0) as writer:
            for index, image in enumerate(images):
                content = io.BytesIO()
                Image.fromarray(image).save(content, suffix, **({"lossless": True} if suffix == "webp" else {}))
                writer.write(
                    {"__key__": f"{split}/{index:04}", suffix: content.getvalue(), "cls": index % 3, "json": {"at": 1}}
                )
    for where in (f"{tmp_path}", f"{tmp_path}/pets-{{train-{{0000..0002}},val-0000}}.tar", f"{tmp_path}/*.tar"):
        train, test = (open_source(f"webdataset:{where}", split=split) for split in ("train", "test"))
        assert train.labels.tolist() == [index % 3 for index in range(31)]
        np.testing.assert_array_equal(train.images[:], channels_first(written["train"]))
        np.testing.assert_array_equal(test.images[:], channels_first(written["val"]))
    order = np.array([30, 3, 12, 3])
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(train)).images[order], channels_first(written["train"])[order]
    )
    assert train.classes == ("0", "1", "2")
    assert train.images.coded.place(13).endswith("pets-train-0001.tar: sample 1")


def test_what_is_exported_is_read_again(tmp_path):
    few = open_source("digits", classes=["3", "5"]).sample(4)
    data = encode(few.normalized, few.labels, k=64, classes=["three", "five"], normalization=few.normalization)
    export(data, tmp_path / "train.tar", to="webdataset")
    source = open_source(f"webdataset:{tmp_path}/train.tar")
    assert source.classes == ("three", "five")
    assert np.bincount(source.labels).tolist() == [3, 3]


def test_whitened_images_of_different_sizes_are_shown_with_their_shards(tmp_path):
    members = []
    for index in range(12):
        image = png(index, height=9 + index, width=11)
        members += [(f"{index}.png", image), (f"{index}.cls", str(index % 2).encode())]
    write_tar(tmp_path / "pets-train.tar", members)
    spec, file, picture = f"webdataset:{tmp_path}/pets-train.tar", tmp_path / "x.fred", tmp_path / "x.png"
    for words in (
        ("encode", spec, file, "--size", "5x7", "--zca", "--k", 6, "--mask", "low"),
        ("preview", file, picture, "--on", spec),
    ):
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == 0, result.exception
    assert picture.exists()


@pytest.mark.parametrize(
    ("members", "options", "classes"),
    [
        ({"cls": b"2"}, "", ("0", "1", "2")),
        ({"cls": b" bee\n"}, "", ("ant", "bee")),
        ({"json": json.dumps({"label": 1, "class_name": "bee"}).encode()}, "", ("0", "bee")),
        ({"json": json.dumps({"label": "bee", "no": 3}).encode()}, "", ("ant", "bee")),
        ({"json": json.dumps({"species": "bee", "label": 7}).encode()}, "#label=json.species", ("ant", "bee")),
        ({"kind.txt": b"bee"}, "#label=kind.txt", ("ant", "bee")),
    ],
)
def test_labels(tmp_path, members, options, classes):
    first = {name: content.replace(b"bee", b"ant").replace(b" 1", b" 0") for name, content in members.items()}
    if "cls" in members and members["cls"] == b"2":
        first = {"cls": b"1"}
    if "class_name" in str(members):
        first = {"json": b'{"label": 0}'}
    samples = []
    for index in range(6):
        told = (first if index % 2 else members).items()
        samples += [(f"a.b/{index}.{name}", content) for name, content in told] + [(f"a.b/{index}.PNG", png(index))]
    if classes[0] == "0" and "2" in classes:
        samples += [("a.b/9.cls", b"0"), ("a.b/9.png", png(9))]
    for split in ("train", "test"):
        write_tar(tmp_path / f"{split}.tar", samples)
    source = open_source(f"webdataset:{tmp_path}{options}")
    assert source.classes == classes
    assert source.labels[:4].tolist() == [len(classes) - 1, len(classes) - 2] * 2


def test_several_images_in_a_sample_and_what_is_left_out(tmp_path):
    members = [("readme.txt", b"hello"), ("LICENSE", b"free")]
    for index in range(4):
        members += [
            (f"{index}.seg.png", png(index)),
            (f"{index}.jpg", coded(pixels(index), "JPEG")),
            (f"{index}.png", png(9)),
        ]
        members += [(f"{index}.cls", b"01"[index % 2 : index % 2 + 1])]
    for split in ("train", "test", "dev", "more"):
        write_tar(tmp_path / f"{split}.tar", members)
    with pytest.raises(SourceError, match=r"train\.tar: 0: several images; expected one, found jpg, png"):
        open_source(f"webdataset:{tmp_path}")
    source = open_source(f"webdataset:{tmp_path}#image=seg.png")
    np.testing.assert_array_equal(source.images[:1], channels_first([pixels(0)]))
    assert source.provenance()["left_out"] == {
        "samples without an image": 1,
        "members that are not samples": 1,
        "shards of the validation split": 1,
        "shards of no split": 1,
    }


SOUND = [
    (f"{index}.{suffix}", content)
    for index in range(6)
    for suffix, content in (("png", png(index)), ("cls", b"01"[index % 2 : index % 2 + 1]))
]


def damaged(path, kind):
    members = list(SOUND)
    if kind == "no label":
        del members[5]
    elif kind == "no number":
        members[5] = ("2.cls", b"bee")
    elif kind == "minus one":
        members[5] = ("2.cls", b"-1")
    elif kind == "huge number":
        members[5] = ("2.cls", b"9" * 17)
    elif kind == "not text":
        members[5] = ("2.cls", b"\xff\xfe")
    elif kind == "long label":
        members[5] = ("2.cls", b"1" * (2 << 20))
    elif kind == "undecodable":
        members[4] = ("2.png", b"\x89PNG no more")
    elif kind == "twice":
        members.insert(5, ("2.png", png(1)))
    elif kind == "outside":
        members[4] = ("../../2.png", png(1))
    elif kind == "absolute":
        members[4] = ("/etc/2.png", png(1))
    elif kind == "bad json":
        members[5] = ("2.json", b"{")
    elif kind == "json list":
        members[5] = ("2.json", b"[1]")
    elif kind == "json without":
        members[5] = ("2.json", b'{"caption": "a bee"}')
    elif kind == "nothing":
        members = []
    write_tar(path, members)
    content = path.read_bytes()
    end = len(content.rstrip(b"\0")) // 512 * 512 + 512
    if kind == "gzip":
        path.write_bytes(gzip.compress(content))
    elif kind == "cut in a member":
        path.write_bytes(content[: 512 + 100])
    elif kind == "cut in the last member":
        path.write_bytes(content[: end - 511])
    elif kind == "cut between members":
        path.write_bytes(content[:end])
    elif kind == "cut in a header":
        path.write_bytes(content[: end - 1024 + 300])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_bytes(b"hello" * 999)
    elif kind == "damaged header":
        path.write_bytes(content[: end - 1024] + b"x" * 512 + content[end - 512 :])
    elif kind == "ten gigabytes":
        entry = tarfile.TarInfo("9.png")
        entry.size = 10 << 30
        path.write_bytes(content[:end] + entry.tobuf() + png(1))
    elif kind == "joined":
        path.write_bytes(content + content)
    elif kind == "zeros to the end":
        path.write_bytes(content[: end - 1024] + bytes(20_480))
    elif kind == "zeros over a header":
        header = content.index(b"3.png")
        path.write_bytes(content[:header] + bytes(1024) + content[header + 1024 :])
    elif kind == "other names":
        write_tar(path, [(name.replace(".", ".0000."), content) for name, content in SOUND])
    elif kind in ("sparse", "long name"):
        entry = tarfile.TarInfo("9.png")
        entry.size = 10 << 30
        entry.type = tarfile.GNUTYPE_LONGNAME if kind == "long name" else tarfile.REGTYPE
        with open(path, "wb") as stream:
            stream.write(content[:end] + entry.tobuf(tarfile.GNU_FORMAT))
            stream.truncate(end + 512 + (10 << 30) + 10240)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no label", r"train\.tar: 2: the image has no label; expected \.cls or \.json, found \.png"),
        ("no number", r"train\.tar: 2: labels are of two kinds"),
        ("minus one", r"train\.tar: sample 2: an image has no label"),
        ("huge number", r"train\.tar: sample 2: labels are not class numbers"),
        ("not text", r"train\.tar: 2: cls: not UTF-8"),
        ("long label", r"train\.tar: 2: cls: too large"),
        ("undecodable", r"train\.tar: sample 2: cannot be decoded"),
        ("twice", r"train\.tar: 2\.png: a member occurs twice"),
        ("outside", r"train\.tar: '\.\./\.\./2\.png': a name that points outside"),
        ("absolute", r"train\.tar: '/etc/2\.png': a name that points outside"),
        ("bad json", r"train\.tar: 2: json: not JSON"),
        ("json list", r"train\.tar: 2: json: not a JSON object"),
        ("json without", r"train\.tar: 2: label: no label in the JSON; .*found the keys \['caption'\]"),
        ("nothing", "no images; expected at least one"),
        ("gzip", r"train\.tar: a compressed shard"),
        ("cut in a member", r"train\.tar: 0\.png: cut off"),
        ("cut in the last member", r"train\.tar: after 5\.cls: not a readable tar file; found unexpected end"),
        ("cut between members", r"train\.tar: after 5\.cls: cut off"),
        ("cut in a header", r"train\.tar: after 5\.png: cut off"),
        ("empty", r"train\.tar: .*not a readable tar file; found empty file"),
        ("text", r"train\.tar: .*not a readable tar file; found invalid header"),
        ("damaged header", r"train\.tar: after 5\.png: damaged header"),
        ("ten gigabytes", r"train\.tar: 9\.png: cut off; expected 10,737,418,240 bytes"),
        ("joined", r"train\.tar: after 5\.cls: more data after the zeros"),
        ("zeros to the end", r"train\.tar: after 5\.png: ends with too many zeros"),
        ("zeros over a header", r"train\.tar: after 2\.cls: more data after the zeros"),
        ("other names", r"0: no sample has an image; .*\.png.*found \.0000\.png"),
        ("sparse", r"train\.tar: 9: too large"),
        ("long name", r"train\.tar: a header is too large"),
    ],
)
def test_hostile_shards(tmp_path, kind, message):
    damaged(tmp_path / "train.tar", kind)
    write_tar(tmp_path / "test.tar", SOUND)
    with pytest.raises(FredError, match=message):
        open_source(f"webdataset:{tmp_path}").images[:]


def test_numbers_with_gaps_are_the_names_of_their_classes(tmp_path):
    for split in ("train", "test"):
        numbers = {b"0": b"3", b"1": b"5"}
        write_tar(tmp_path / f"{split}.tar", [(name, numbers.get(content, content)) for name, content in SOUND])
    source = open_source(f"webdataset:{tmp_path}")
    assert source.classes == ("3", "5")
    assert source.labels.tolist() == [0, 1] * 3


def test_a_shard_that_is_cut_afterwards(tmp_path):
    for split in ("train", "test"):
        write_tar(tmp_path / f"{split}.tar", SOUND)
    source = open_source(f"webdataset:{tmp_path}")
    (tmp_path / "train.tar").write_bytes((tmp_path / "train.tar").read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"train\.tar: sample 1: the file is cut off"):
        source.images[:]


def test_braces():
    assert list(braces("x-{08..10}.tar")) == ["x-08.tar", "x-09.tar", "x-10.tar"]
    assert list(braces("{a,b}{1..2}")) == ["a1", "a2", "b1", "b2"]
    assert list(braces("{x-{1..2},y}")) == ["x-1", "x-2", "y"]
    assert list(braces("plain{}{one}")) == ["plain{}{one}"]


@pytest.mark.parametrize(
    ("files", "train", "test"),
    [
        (["train/0.tar", "val/0.tar", "test/0.tar"], ["train/0.tar"], ["test/0.tar"]),
        (["in1k-train-000.tar", "in1k-validation-000.tar"], ["in1k-train-000.tar"], ["in1k-validation-000.tar"]),
        (["b.tar", "a/c.tar", ".hidden/d.tar"], ["a/c.tar", "b.tar"], []),
        (["train-0.tar", "train-1.tar"], ["train-0.tar", "train-1.tar"], []),
    ],
)
def test_names_tell_the_splits(tmp_path, files, train, test):
    for name in files:
        write_tar(tmp_path / "trainer" / name, [])
    found = find_shards(str(tmp_path / "trainer"), ".tar")
    assert ([str(path.relative_to(tmp_path / "trainer")) for path in found.train], len(found.test)) == (
        train,
        len(test),
    )


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere", "no shards found"),
        ("shards/*.zip", "no shards found; expected files that match"),
        ("shards/x-{1..2}.tar", r"x-1\.tar: no shards found"),
        ("shards/{3..1}.tar", "no shards; expected .*ranges in braces ascend"),
        ("{0..999}{0..9999}", "too many paths"),
        ("empty", r"no shards found; expected files \*\.tar"),
        ("bad", "no train shards"),
        ("https://example.org/x.tar", "remote shards cannot be read"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, where, message, monkeypatch):
    write_tar(tmp_path / "shards" / "a.tar", [])
    write_tar(tmp_path / "bad" / "test.tar", [])
    write_tar(tmp_path / "bad" / "val.tar", [])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        open_source(f"webdataset:{where}")
