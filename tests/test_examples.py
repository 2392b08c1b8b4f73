"""The examples run, and do what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fredfmt import encode, load, save, validate
from fredfmt.data.sources import open_source
from fredfmt.distill import EvaluationConfig, evaluate

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parent.parent / "examples"
RECORDS = EXAMPLES.parent / "benchmarks" / "results" / "records.jsonl"


def shipped():
    """The rows of docs/records.md whose files are among the examples."""
    rows = [json.loads(line) for line in RECORDS.read_text().splitlines()]
    names = {path.stem for path in (EXAMPLES / "records").iterdir()}
    found = [row for row in rows if row["seed"] == 0 and f"{row['source']}-{row['bytes']}" in names]
    assert len(found) == len(names)
    return found


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_objective_of_ones_own():
    rows = re.findall(
        r"^(file|own start|coded images)\s+[\d,]+ B\s+([\d.]+)%", run("own_objective.py", "40"), re.MULTILINE
    )
    assert [name for name, _ in rows] == ["file", "own start", "coded images"]
    assert all(float(accuracy) > 40 for _, accuracy in rows)
    source = (EXAMPLES / "own_objective.py").read_text()
    assert len(source.split("class GramMatching")[1].split("if __name__")[0].splitlines()) < 40


def test_the_drop_in():
    lines = run("drop_in.py", "12").splitlines()
    names = [f"{objective} on {name}" for objective in ("DM", "DC") for name in ("pixels", "frequencies")]
    for line, name in zip(lines, names, strict=True):
        first, last = map(float, re.findall(r"\d+\.\d+", line))
        assert line.startswith(name)
        assert last < first


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A hundred real digits, coded."""
    few = open_source("digits").sample(10, seed=0)
    path = tmp_path_factory.mktemp("examples") / "digits.fred"
    data = encode(few.normalized, few.labels, k=40, normalization=few.normalization, classes=few.classes)
    save(data, path)
    return str(path)


def right(text):
    """The accuracy that an example prints."""
    return float(re.search(r"([\d.]+)% right", text)[1])


def test_the_plain_loop(file):
    text = run("train_plain.py", file, "digits", "60")
    assert "trained on 100 decoded images, 60 steps" in text
    assert right(text) > 60


@pytest.mark.needs("lightning")
def test_lightning(file):
    text = run("train_lightning.py", file, "digits", "25")
    assert "100 steps in 25 epochs" in text
    assert right(text) > 60


def test_numpy_batches_need_no_torch(file):
    text = run("numpy_batches.py", file, "digits", "60")
    assert "torch was not imported" in text
    assert right(text) > 70


def test_mixing(file):
    rows = re.findall(
        r"^(\w[\w ,]*?) +(\d+) images +([\d.]+)%", run("mixing.py", file, "digits", "2", "40"), re.MULTILINE
    )
    assert [(name, int(count)) for name, count, _ in rows] == [
        ("file alone", 100),
        ("real alone", 20),
        ("both, half and half", 120),
    ]
    assert all(float(accuracy) > 40 for _, _, accuracy in rows)


def test_continual_learning():
    rows = re.findall(r"^(\w+) +([\d,]+) +([\d.]+)% +([\d.]+)%$", run("continual.py", "25"), re.MULTILINE)
    assert [name for name, *_ in rows] == ["nothing", "coded", "pixels", "everything"]
    old = {name: float(share) for name, _, _, share in rows}
    assert old["coded"] > old["nothing"] + 30
    size = {name: int(count.replace(",", "")) for name, count, *_ in rows}
    assert 0 < size["coded"] <= 5 * 3500


@pytest.mark.parametrize("row", shipped(), ids=lambda row: f"{row['source']}-{row['bytes']}")
def test_the_records_that_are_shipped(row):
    path = EXAMPLES / "records" / f"{row['source']}-{row['bytes']}.fred"
    assert path.stat().st_size == row["file_bytes"] <= row["bytes"]
    assert validate(path).valid
    if row["source"] != "digits":  # minutes
        return
    data = load(path)
    found = evaluate(data, open_source("digits", split="test"), EvaluationConfig.for_data(data, seeds=3))
    assert found.mean == pytest.approx(row["accuracy"]["file"], abs=0.02)
