"""The command where streams are closed or full, names are odd and options wrong; and what it says of itself."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
COMMAND = f"{sys.executable} -m fredfmt"


def run(line, **options):
    """(exit status, _, stderr) of a shell's command line."""
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    from fredfmt import encode, save

    path = tmp_path_factory.mktemp("streams") / "x.fred"
    save(encode(np.zeros((4, 1, 5, 7), np.float32), [0, 1, 0, 1], k=3, mask="low"), path)
    return path


@pytest.mark.parametrize("command", ["validate", "inspect --json"])
@pytest.mark.parametrize(
    ("stdout", "message"), [(">&-", "fredfmt: stdout: Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_a_stdout_that_takes_nothing(file, command, stdout, message):
    status, _, stderr = run(f"{COMMAND} {command} {file} {stdout}")
    assert (status, stderr.count("\n")) == (1, 1)
    assert message in stderr


def test_a_reader_that_stops_early(file):
    status, _, stderr = run(f"{COMMAND} --help | head -c 1; {COMMAND} validate {file} --json | true")
    assert (status, stderr) == (0, "")


def test_closed_streams_that_nothing_is_written_to(file, tmp_path):
    """A file that is opened while stdout is closed must not be taken for it."""
    for number, closed in enumerate((">&-", "2>&-", "<&-", ">&- 2>&-")):
        copy = tmp_path / f"{number}.fred"
        status, _, _ = run(f"{COMMAND} convert {file} {copy} {closed}")
        assert status == 0
        assert copy.read_bytes() == file.read_bytes()


def test_names_that_are_too_long(file, tmp_path):
    longest = tmp_path / ("x" * 250 + ".fred")
    assert run(f"{COMMAND} convert {file} {longest}")[0] == 0
    for line in (f"convert {file} {tmp_path / ('x' * 300)}.fred", f"inspect {tmp_path / ('x' * 300)}.fred"):
        status, _, stderr = run(f"{COMMAND} {line}")
        assert (status, stderr.count("\n")) == (1, 1)
        assert "File name too long" in stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    for name in ("ant", "bee, wild"):
        (root / name).mkdir()
        for number in range(5):
            pixels = np.random.default_rng(number).integers(0, 256, (20, 30), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def test_sizes_and_class_names_with_commas(folder, tmp_path):
    from fredfmt import load

    line = f"{COMMAND} encode folder:{folder} {tmp_path}/x.fred --k 9 --mask low"
    status, _, stderr = run(f"{line} --size 12x17 --classes '\"bee, wild\",ant'")
    assert status == 0, stderr
    metadata = load(tmp_path / "x.fred").metadata
    assert metadata.spatial_shape == (12, 17)
    assert metadata.classes == ("bee, wild", "ant")
    assert run(f"{line} --size 12 --force")[0] == 0
    assert load(tmp_path / "x.fred").metadata.spatial_shape == (12, 12)
    for wrong in ("12x", "x12", "0x3", "1x2x3", "a"):
        status, _, stderr = run(f"{line} --size {wrong} --force")
        assert status == 2
        assert "--size" in stderr


@pytest.mark.parametrize(
    ("options", "expected", "message"),
    [
        ("--k 601", 1, "k is out of range"),
        ("--k 9 --mask evrr", 2, "evrr"),
        ("--k 9 --transform dctt", 2, "dctt"),
    ],
)
def test_wrong_options_are_refused_before_images_are_read(folder, tmp_path, options, expected, message):
    broken = tmp_path / "broken"
    (broken / "train" / "ant").mkdir(parents=True)
    os.link(folder / "ant" / "0.png", broken / "train" / "ant" / "0.png")
    (broken / "train" / "ant" / "1.png").write_text("not an image")
    for command in ("encode", "plan"):
        out = f"{tmp_path}/x.fred" if command == "encode" else "--bytes 5000"
        status, _, stderr = run(f"{COMMAND} {command} folder:{broken} {out} {options}")
        assert status == expected
        assert message in stderr


def test_help_pages_say_what_a_command_does(file):
    pages = {name: run(f"{COMMAND} {name} --help")[1] for name in ("export", "decode")}
    for name, page in pages.items():
        assert f"fredfmt {name} " in page
    first = {name: page.split("Usage:")[1].splitlines()[2].strip() for name, page in pages.items()}
    assert first["decode"].startswith("Decode the stored frequencies of a file")
    assert first["export"].startswith("Write a file in the form of another program")


def test_figures_are_explained(tmp_path):
    from fredfmt import encode, save

    images = np.random.default_rng(0).random((12, 1, 8, 10), np.float32)
    save(encode(images, np.arange(12) % 3, k=20, source={"rmse": "a word"}), tmp_path / "x.fred")
    status, stdout, _ = run(f"COLUMNS=200 {COMMAND} inspect {tmp_path}/x.fred")
    assert status == 0
    for figure, words in (
        ("between kept", "share of the variance between class means that the masks keep"),
        ("variance kept", "share of the variance within classes that the masks keep"),
        ("rmse", "root mean square error of the stored images"),
        ("ipc", "whole images per class with the same number of values"),
    ):
        assert [line for line in stdout.splitlines() if figure in line and words in line]


def test_signatures_are_not_flooded_by_limits():
    import inspect

    import fredfmt

    for function in (fredfmt.load, fredfmt.save, fredfmt.FreDDataset, fredfmt.FreDLoader, fredfmt.validate):
        assert "Limits()" in str(inspect.signature(function))
    assert repr(fredfmt.Limits(axis=9, entries=3)) == "Limits(entries=3, axis=9)"
