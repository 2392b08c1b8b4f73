"""Real images coded into a number of bytes: what is chosen has less error than what was passed over."""

import json
import re

import numpy as np
import pytest
from needed import compiled_loops
from typer.testing import CliRunner

import fredfmt
from fredfmt.cli.app import app
from fredfmt.data.coding import best_error, best_mask, encode_in_bytes, encode_source, mask_warnings
from fredfmt.data.sources import Source
from fredfmt.model.parts import Normalization
from fredfmt.storage.files import packed_size


def error(data):
    return data.metadata.reconstruction["rmse"]


def made(images, labels, classes, channels=1):
    """A source of given images in 0..1."""
    return Source(
        "made",
        "train",
        images.astype(np.float32),
        labels,
        classes,
        Normalization((0.5,) * channels, (0.25,) * channels),
    )


@pytest.fixture(scope="module")
def digits():
    return fredfmt.open_source("digits")


@compiled_loops
@pytest.mark.parametrize("size", [3600, 5000])
def test_k_mask_and_step_leave_less_error_than_others_in_the_same_bytes(digits, size):
    chosen = encode_in_bytes(digits, size, per_class=5, rounding="rate")
    few = digits.sample(5)
    assert 0.97 * size < packed_size(chosen) <= size
    assert len(chosen) == 50
    for k in (8, 16, 32, 48, 64):
        for mask in ("low", "amplitude", "evr"):
            try:
                other = encode_source(few, k=k, mask=mask, max_bytes=size, rounding="rate")
            except fredfmt.ArgumentError:
                continue
            assert error(chosen) <= 1.02 * error(other), (k, mask)


@compiled_loops
def test_the_number_of_images_is_chosen_too_and_classes_may_differ_in_size(digits):
    uneven = digits.subset(np.flatnonzero((digits.labels != 3) | (np.arange(len(digits)) < 60)))
    data = encode_in_bytes(uneven, 9000)
    counts = np.bincount(data.labels)
    assert packed_size(data) <= 9000
    assert counts[3] == np.bincount(uneven.labels)[3] < counts[0]
    assert error(data) < 0.45


def test_information_in_high_frequencies_is_kept():
    """Stripes as fine as pixels are: the coarsest frequencies would keep nothing of them."""
    chance = np.random.default_rng(0)
    rows, columns = np.arange(8)[:, None], np.arange(12)
    classes = ["rows", "columns"]
    patterns = np.stack([(-1.0) ** (rows + 0 * columns), (-1.0) ** (columns + 0 * rows)])
    labels = np.arange(40) % 2
    images = (0.5 + 0.4 * patterns[labels] + chance.normal(0, 0.02, (40, 8, 12)))[:, None].clip(0, 1)
    source = made(images, labels, classes)
    assert best_mask(source, 6) == "amplitude"
    assert not mask_warnings(source, 6, "amplitude")
    (warning,) = mask_warnings(source, 6, "low")
    left, best = map(float, re.findall(r"\d\.\d+", warning))
    assert best < 0.5 * left
    assert encode_in_bytes(source, 4000, k=6).metadata.mask["strategy"] == "amplitude"


def test_smooth_images_get_the_masks_that_cost_nothing():
    ramp = np.linspace(0.2, 0.8, 96).reshape(8, 12)
    images = np.stack([ramp, ramp[::-1]])[np.arange(8) % 2][:, None]
    assert best_mask(made(images, np.arange(8) % 2, ["up", "down"]), 96) == "low"


def test_a_class_without_images_is_no_obstacle(digits):
    names = (*digits.classes, "empty")
    source = Source("made", "train", digits.images, digits.labels, names, digits.normalization)
    assert best_mask(source, 10) == "low"


def run(*words):
    return CliRunner().invoke(app, ["encode", *map(str, words)])


@compiled_loops
def test_the_command_chooses_what_is_not_given_and_says_what(tmp_path):
    out = tmp_path / "x.fred"
    done = run("digits", out, "--bytes", 4000, "--per-class", 5, "--name", "my digits", "--license", "CC0-1.0")
    assert done.exit_code == 0, done.output
    data = fredfmt.load(out)
    assert out.stat().st_size <= 4000
    assert f"k={data.k}, mask {data.metadata.mask['strategy']}" in done.stderr
    assert (data.metadata.source["name"], data.metadata.license) == ("my digits", "CC0-1.0")


def test_the_command_takes_the_better_mask_and_warns_of_a_poor_one(tmp_path):
    better = run("digits", tmp_path / "a.fred", "--k", 8, "--per-class", 5)
    assert "mask amplitude" in better.stderr
    poor = run("digits", tmp_path / "b.fred", "--k", 8, "--per-class", 5, "--mask", "evr")
    assert "evr has an error of" in poor.stderr
    assert fredfmt.load(tmp_path / "b.fred").metadata.mask["strategy"] == "evr"
    assert error(fredfmt.load(tmp_path / "a.fred")) < error(fredfmt.load(tmp_path / "b.fred"))
    assert "has an error of" not in run("digits", tmp_path / "c.fred", "--k", 8, "--mask", "amplitude").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bytes", 5000, "--step", 1), "--bytes cannot be combined"),
        (("--bytes", 100), "max_bytes is less"),
        (("--k", 65), "k is out of range"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, words, said):
    done = run("digits", tmp_path / "x.fred", *words)
    assert isinstance(done.exception, fredfmt.ArgumentError)
    assert said in str(done.exception)
    assert not (tmp_path / "x.fred").exists()


def test_a_command_that_says_no_size_is_a_usage_error(tmp_path):
    done = run("digits", tmp_path / "x.fred")
    assert done.exit_code == 2
    assert "the size is missing" in done.stderr


def test_plan_is_legible_in_forty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    words = ["plan", "digits", "--bytes", "6000", "--k", "32", "--k", "64", "--step", "0.5", "--step", "float32"]
    lines = CliRunner().invoke(app, words).stdout.splitlines()
    assert max(map(len, lines)) <= 40
    assert not any("…" in line for line in lines)
    rows = [line.split() for line in lines if "float32" in line or " 0.5 " in line]
    monkeypatch.undo()
    choices = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [(int(row[0]), int(row[2])) for row in rows] == [(c["k"], c["instances_per_class"]) for c in choices]


@compiled_loops
def test_images_are_counted_by_rate_and_rounded_to_the_nearest(digits):
    """So that a coarser step remains, and no smaller number of images."""
    rated, data = encode_in_bytes(digits, 6000, rounding="rate"), encode_in_bytes(digits, 6000)
    assert (len(data), data.k) == (len(rated), rated.k)
    assert data.step > 1.1 * rated.step
    assert packed_size(data) <= 6000
    more = digits.sample(len(data) // 10 + 1, seed=0)
    assert packed_size(encode_source(more, k=data.k, mask="low", step=rated.step, rounding="rate")) > 6000
    exact = encode_source(digits.sample(len(data) // 10), k=data.k, mask="low", step=None)
    np.testing.assert_array_equal(data.coefficients, np.rint(exact.coefficients / data.step))


def test_the_command_rounds_as_it_is_told(tmp_path):
    sizes = {}
    for rounding in ("nearest", "rate"):
        out = tmp_path / f"{rounding}.fred"
        arguments = ["encode", "digits", str(out), "--k", "20", "--step", "0.5", "--per-class", "30"]
        done = CliRunner().invoke(app, [*arguments, "--rounding", rounding])
        assert done.exit_code == 0, done.output
        sizes[rounding] = out.stat().st_size
    assert sizes["rate"] < sizes["nearest"]


@compiled_loops
def test_images_are_no_more_than_asked_for_and_bytes_left_over_make_them_exact(digits):
    free, limited = encode_in_bytes(digits, 4000), encode_in_bytes(digits, 4000, at_most=12)
    assert len(free) > 300
    assert len(limited) == 120
    assert error(limited) < 0.5 * error(free)
    assert 0.97 * 4000 < packed_size(limited) <= 4000
    with pytest.raises(fredfmt.ArgumentError, match="at_most"):
        encode_in_bytes(digits, 4000, at_most=0)


@compiled_loops
def test_coefficients_are_no_more_than_asked_for(digits):
    free = encode_in_bytes(digits, 4000)
    assert free.coefficients.size > 15_000
    for most in (15_000, 4_000):
        limited = encode_in_bytes(digits, 4000, most_coefficients=most)
        assert most / 2 < limited.coefficients.size <= most
        assert error(limited) < error(free)
    assert encode_in_bytes(digits, 4000, most_coefficients=1).coefficients.shape == (10, 1, 2)
    with pytest.raises(fredfmt.ArgumentError, match="most_coefficients"):
        encode_in_bytes(digits, 4000, most_coefficients=0)


def test_more_images_take_more_bytes_in_proportion():
    images = np.random.default_rng(0).normal(0.5, 0.1, (400, 3, 32, 32)).clip(0, 1)
    sizes = [
        packed_size(encode_source(made(images[:count], np.arange(count) % 2, ("a", "b"), 3), k=1024, step=2.0))
        for count in (320, 400)
    ]
    assert sizes[1] < 1.3 * sizes[0]


@compiled_loops
def test_large_images_are_more_and_coarser(digits, monkeypatch):
    few = digits.of_classes(["3", "5"]).sample(30)
    blurred = np.repeat(np.repeat(few.images[:], 7, axis=2), 7, axis=3)
    noise = np.random.default_rng(0).normal(0, 0.1, blurred.shape)
    large = made((blurred + noise).clip(0, 1).astype(np.float32), few.labels, few.classes, 1)
    coarse = encode_in_bytes(large, 2500, at_most=30)
    monkeypatch.setattr("fredfmt.data.coding.best_error", lambda shape: best_error((32, 32)))
    fine = encode_in_bytes(large, 2500, at_most=30)
    assert len(fine) < len(coarse) < len(large)
    assert error(fine) < error(coarse)
