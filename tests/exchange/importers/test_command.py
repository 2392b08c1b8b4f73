"""`fredfmt import` as a user meets it."""

import json
import sys

import fixtures
import numpy as np
import pytest
from fixtures import MEAN, STD
from typer.testing import CliRunner

from fredfmt import SourceError, decode, load
from fredfmt.cli import main
from fredfmt.cli.app import app
from fredfmt.exchange.importers import Facts, import_file

NORMALISED = ("--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD)), "--classes", "numbers")


def run(*words):
    result = CliRunner().invoke(app, ["import", *map(str, words)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_import_from_the_command_line(tmp_path):
    path, images, labels = fixtures.dc(tmp_path, experiments=2)
    out = tmp_path / "x.fred"
    said = run(path, out, *NORMALISED, "--experiment", 1)
    assert "exact" in said.stderr
    data = load(out)
    assert np.array_equal(decode(data).numpy(), images)
    assert np.array_equal(data.labels, labels)


def test_import_with_a_transform_as_json(tmp_path):
    path, _, _ = fixtures.mtt(tmp_path)
    words = (*NORMALISED, "--no-zca", "--lr", 0.5, "--transform", "dct", "--k", 12, "--step", 0.2, "--mask", "low")
    facts = json.loads(run(path, tmp_path / "x.fred.h5", *words, "--json").stdout)
    assert (facts["kind"], facts["k"], facts["recipe"]) == ("pair", 12, {"lr": 0.5})
    assert 0 < facts["rmse"] < 1
    assert facts["bytes"] < (tmp_path / "x.fred.h5").stat().st_size * 2


@pytest.mark.parametrize("size", ["7,5", "7x5"])
def test_fields_and_size(size, tmp_path):
    path, images, _ = fixtures.ddif(tmp_path)
    words = ("--no-zca", "--w0", 10, "--w0-initial", 30, "--size", size)
    run(path, tmp_path / "x.fred", *NORMALISED, *words)
    np.testing.assert_allclose(decode(load(tmp_path / "x.fred")).numpy(), images, atol=2e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--mean and --std, --dataset, or --unit"),
        (("--mean", "a,b"), "unusable --mean"),
        (("--no-zca", "--zca", "keep"), "contradict"),
        (("--step", "coarse"), "unusable --step"),
        (("--lr", "fast"), "unusable --lr"),
    ],
)
def test_errors_are_one_line(words, message, tmp_path, monkeypatch, capsys):
    path, _, _ = fixtures.dc(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fredfmt", "import", str(path), str(tmp_path / "x.fred"), *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    text = capsys.readouterr().err
    assert message in text
    assert text.count("\n") == 1
    assert not (tmp_path / "x.fred").exists()


def test_a_warning_if_the_file_is_much_larger_than_its_source(tmp_path):
    path, images, labels = fixtures.dc(tmp_path)
    assert "of its source" not in run(path, tmp_path / "x.fred", *NORMALISED).stderr
    bits = np.random.default_rng(0).integers(0, 2, images.shape).astype(np.uint8)
    np.savez_compressed(tmp_path / "bits.npz", images=bits, labels=labels)
    said = run(tmp_path / "bits.npz", tmp_path / "bits.fred", "--no-zca", "--classes", "numbers").stderr
    assert "bytes of its source; --transform dct" in said


def test_options_are_in_panels():
    shown = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "120"}).stdout
    titles = ("Facts about the images", "Labels and training", "Source", "Neural fields", "Storing")
    assert all(f"─ {title} ─" in shown for title in titles)


def test_arrays_and_folders_need_no_torch(tmp_path, monkeypatch):
    (arrays, _, _), (hdf5, _, _) = fixtures.rfad(tmp_path), fixtures.rat(tmp_path)
    (folder, _, _), (pickled, _, _) = fixtures.folder_of_images(tmp_path), fixtures.bare(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    letters = tuple("abcdefghij")
    facts = {"zca": "keep", "zca_epsilon": 0.1, "classes": letters, "unit": True, "size": (7, 5)}
    assert len(import_file(arrays, Facts(**facts))) == 30
    assert len(import_file(hdf5, Facts(**facts, labels="class-major"))) == 30
    assert len(import_file(folder)) == 30
    with pytest.raises(SourceError, match="needs torch"):
        import_file(pickled)
