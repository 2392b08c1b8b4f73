"""Accuracy against bits: rows and CSV against what files record, and where the picture puts them."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import fredfmt
from fredfmt.cli.app import app
from fredfmt.storage.containers.package import with_metadata
from fredfmt.view.anchors import anchors_of
from fredfmt.view.curve import draw, points_of, sources_of, to_csv
from fredfmt.view.drawing import SERIES

RESULT = {
    "accuracy": 0.7,
    "std": 0.02,
    "accuracies": [0.68, 0.72],
    "test": "fashion-mnist test",
    "images": 10_000,
    "protocol": "steps",
    "steps": 300,
    "network": {"name": "convnet", "width": 32, "depth": 3, "norm": "instance"},
}


def made(k, *results):
    chance = np.random.default_rng(k)
    images = chance.normal(0, 1, (20, 1, 9, 13)).astype(np.float32)
    return with_metadata(fredfmt.encode(images, np.arange(20) % 4, k=k, step=0.05), results=results)


def test_points_tell_what_the_file_records_and_the_size_that_it_had_before(tmp_path):
    fredfmt.save(made(30), tmp_path / "bare.fred")
    data = made(30, RESULT, RESULT | {"accuracy": 0.8, "protocol": "paper", "epochs": 1000, "std": None}, {"note": 1})
    fredfmt.save(data, tmp_path / "x.fred")
    first, second = points_of(fredfmt.load(tmp_path / "x.fred"), "x.fred")
    size = (tmp_path / "bare.fred").stat().st_size
    assert size < (tmp_path / "x.fred").stat().st_size
    assert first.bytes == second.bytes
    assert (first.bytes, first.bits_per_class) == (size, 8 * size / 4)
    assert (first.accuracy, first.std, first.networks) == (0.7, 0.02, 2)
    assert (first.network, first.protocol, first.made_by) == ("convnet depth 3 width 32", "steps 300", "real images")
    assert (second.protocol, second.std) == ("paper 1000 epochs", None)
    assert sources_of([first, second]) == ["fashion-mnist"]
    assert first.series != second.series


def test_csv_has_every_point_and_marks_what_was_published_elsewhere():
    points = [*points_of(made(30, RESULT), 'a,"b".fred'), *points_of(made(60, RESULT | {"accuracy": 0.75}), "c.fred")]
    anchors = anchors_of(["fashion-mnist"])
    rows = list(csv.DictReader(io.StringIO(to_csv(points, anchors))))
    assert [row["file"] for row in rows[:2]] == ['a,"b".fred', "c.fred"]
    assert [float(row["accuracy"]) for row in rows[:2]] == [0.7, 0.75]
    assert all(row["published_elsewhere"] == "" for row in rows[:2])
    assert len(rows) == 2 + len(anchors)
    assert all(row["published_elsewhere"] and row["test"] == "fashion-mnist" for row in rows[2:])
    fred = [row for row in rows if row["made_by"] == "FreD (TM)"]
    assert [(float(row["bits_per_class"]), float(row["accuracy"])) for row in fred] == [(25088, 0.846), (250880, 0.891)]
    assert anchors_of(["digits"]) == []


def test_better_is_higher_and_larger_is_further_right():
    results = [RESULT | {"accuracy": accuracy, "std": None} for accuracy in (0.6, 0.9)]
    points = [*points_of(made(8, results[0]), "a"), *points_of(made(100, results[1]), "b")]
    picture = np.asarray(draw(points)).astype(int)[84 : 84 + 400]
    y, x = np.nonzero((picture == SERIES[0]).all(axis=2))
    assert x.max() - x.min() > 200
    assert np.corrcoef(x, y)[0, 1] < -0.99
    assert (np.asarray(draw(points, anchors_of(["fashion-mnist"]))).shape[0]) > np.asarray(draw(points)).shape[0]


def test_a_single_point_can_be_drawn():
    picture = np.asarray(draw(points_of(made(8, RESULT | {"std": None, "accuracy": 1.0}), "a")))
    assert (picture == SERIES[0]).all(axis=2).any()


def test_the_command(tmp_path):
    names = [tmp_path / f"{name}.fred" for name in ("a", "b", "bare")]
    for path, data in zip(names, (made(8, RESULT), made(30, RESULT | {"accuracy": 0.8}), made(9)), strict=True):
        fredfmt.save(data, path)
    run = lambda *words: CliRunner().invoke(app, ["curve", *map(str, words)])  # noqa: E731
    out = tmp_path / "out.png"
    done = run(*names, out, "--anchors", "--json")
    assert done.exit_code == 0
    assert "bare.fred: omitted" in done.stderr
    found = json.loads(done.stdout)
    assert [point["accuracy"] for point in found["points"]] == [0.7, 0.8]
    assert {anchor["data"] for anchor in found["published"]} == {"fashion-mnist"}
    with Image.open(out) as picture:
        assert picture.width > 600
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 2 + len(found["published"])
    assert "exists already" in str(run(*names, out).exception)
    assert run(*names, out, "--force").exit_code == 0
    assert "no file has a recorded result" in str(run(names[2], tmp_path / "none.png").exception)
    assert not (tmp_path / "none.png").exists()
    with pytest.raises(fredfmt.ArgumentError, match="the picture to write"):
        raise run(*names).exception
