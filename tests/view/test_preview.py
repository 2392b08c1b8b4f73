"""Pictures made with NumPy and Pillow: the numbers in them, and what is drawn for each kind of data."""

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import fredfmt
from fredfmt.cli.app import app
from fredfmt.data.sources import open_source
from fredfmt.view.drawing import Axes, Scale, Sheet, written
from fredfmt.view.pictures import pictures, pixels
from fredfmt.view.preview import KINDS, preview
from fredfmt.view.preview.statistics import shortened
from fredfmt.view.thumbnails import thumbnails


def made(shape=(3, 13, 17), count=24, **options):
    chance = np.random.default_rng(2)
    images = chance.normal(0, 1, (count, *shape))
    for axis in range(2, images.ndim):
        images = images.cumsum(axis) / np.sqrt(images.shape[axis])
    options = {"k": 40, "step": 0.05} | options
    return fredfmt.encode(images.astype(np.float32), np.arange(count) % 3, **options)


@pytest.mark.parametrize("transform", ["dct", "hartley", "db2", "identity"])
@pytest.mark.parametrize("shape", [(3, 13, 17), (2, 40), (1, 5, 7, 6)], ids=str)
def test_pictures_are_what_decode_gives(transform, shape):
    data = made(shape, k=30, transform=transform, normalization=((0.4,) * shape[0], (0.2,) * shape[0]))
    for k in (None, 7):
        expected = fredfmt.decode(data, [5, 0, 23], k=k, normalized=False, clip=False).numpy()
        np.testing.assert_allclose(pictures(data, [5, 0, 23], k=k), expected, atol=1e-5)


def test_small_pictures_are_averages():
    data = made((1, 12, 18), k=90)
    whole = pictures(data, [3])
    expected = whole.reshape(1, 1, 4, 3, 6, 3).mean(axis=(3, 5))
    np.testing.assert_allclose(pictures(data, [3], within=6), expected, atol=1e-12)
    assert pictures(data, [3], within=7).shape == (1, 1, 5, 7)
    assert pictures(data, [3], within=7).mean() == pytest.approx(whole.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_every_class(kind):
    source = open_source("digits").sample(3, seed=0)
    data = fredfmt.encode(source.normalized, source.labels, k=20, normalization=source.normalization)
    picture = np.asarray(preview(data, kind=kind, size=40))
    assert picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    other = np.asarray(preview(made(), kind=kind, size=40))
    assert other.shape != picture.shape or (other != picture).any()


def test_masks_show_where_frequencies_are_kept():
    data = made((1, 5, 8), k=6)
    picture = np.asarray(preview(data, kind="masks"))
    cell, left, top = 20, 24, 24 + 46 + 20
    middles = picture[top + cell // 2 : top + 5 * cell : cell, left + cell // 2 : left + 8 * cell : cell]
    assert np.flatnonzero(middles.any(axis=2)).tolist() == sorted(data.frequencies[0].tolist())


def test_reconstruction_goes_from_one_frequency_to_all():
    data = made((3, 16, 16), k=20)
    picture = np.asarray(preview(data, kind="k", size=32)).astype(float)
    columns = [picture[86 : 86 + 32, 120 + i * 38 : 120 + i * 38 + 34] for i in range(6)]
    for k, column in zip((1, 2, 4, 8, 16, 20), columns, strict=True):
        expected = Image.fromarray(pixels(pictures(data, [0], k=k))[0]).resize((34, 32), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(column, np.asarray(expected))


@pytest.mark.parametrize("shape", [(2, 40), (1, 5, 7, 6)], ids=str)
def test_every_kind_draws_signals_and_volumes(shape):
    data = made(shape, k=12)
    for kind in KINDS:
        assert len(np.unique(np.asarray(preview(data, kind=kind)).reshape(-1, 3), axis=0)) > 10
    with pytest.raises(fredfmt.ArgumentError, match="1 to 12"):
        preview(data, kind="energy", k=13)
    with pytest.raises(fredfmt.ArgumentError, match="no such kind"):
        preview(data, kind="poster")


def test_a_volume_shows_its_middle_slice_and_a_signal_the_line_that_it_is():
    volume = made((1, 5, 7, 6), k=40)
    picture = np.asarray(preview(volume, size=14))
    assert picture.shape == (90 + 3 * 18 - 4 + 20, 40 + 420, 3)
    expected = pixels(pictures(volume, [0])[:, :, 2])[0].repeat(2, axis=0).repeat(2, axis=1)
    left = 20 + 110 + 12 + 12
    np.testing.assert_array_equal(picture[90 : 90 + 14, left : left + 12], expected)

    rising = fredfmt.encode(np.linspace(0, 1, 30, dtype=np.float32)[None, None], [0], k=30, mask="low", step=None)
    left = 20 + 110 + 80 + 12
    line = np.asarray(preview(rising, size=40))[90 : 90 + 40, left : left + 80].mean(axis=2)
    columns = np.arange(8, 72)
    heights = line[4:-4].argmin(axis=0)[columns] + 4
    assert np.abs(heights - (37 - 34 * (columns - 3) / 74)).max() <= 1.5


def test_many_classes_stand_in_columns_and_names_stay_in_theirs():
    names = ("a name that goes on\nand on and on", *map(str, range(1, 119)), "W" * 40)
    data = fredfmt.encode(
        np.ones((120, 1, 3, 4), np.float32), np.arange(120), k=5, mask="low", classes=names, step=None
    )
    picture = np.asarray(preview(data, size=12))
    assert 0.3 < picture.shape[0] / picture.shape[1] < 3
    assert (picture[90:, 20 + 104 : 20 + 110] == 255).all()
    assert shortened("short") == "short"
    assert shortened("a\nb\x1bc") == "a bc"
    assert shortened("W" * 40).endswith("W…")


def test_one_frequency_and_empty_classes_can_be_drawn():
    data = fredfmt.encode(np.ones((2, 1, 3, 4), np.float32), [0, 0], k=1, mask="low", classes=("full", "empty"))
    for kind in KINDS:
        assert len(np.unique(np.asarray(preview(data, kind=kind)))) > 1


def test_ticks_are_round_and_inside():
    assert Scale(0, 100).ticks() == [0, 20, 40, 60, 80, 100]
    assert Scale(61.5, 84.2).ticks() == [65, 70, 75, 80]
    assert Scale(1, 49, log=True).ticks() == [1, 2, 5, 10, 20]
    assert Scale(1, 1e9, log=True).ticks() == [10.0**decade for decade in range(10)]
    assert Scale(1, 100, log=True).at(10) == pytest.approx(0.5)
    assert [written(value) for value in (0.5, 20, 5000, 25_000, 2e6)] == ["0.5", "20", "5,000", "25k", "2M"]
    axes = Axes(Sheet(10, 10), (2, 1, 8, 9), Scale(0, 3), Scale(10, 20))
    assert axes.place(3, 10) == (8, 9)
    assert axes.place(0, 20) == (2, 1)


@given(st.floats(1e-3, 1e9), st.floats(1.9, 1e6), st.booleans())
def test_an_axis_has_three_to_a_few_ticks_wherever_it_lies(low, ratio, log):
    scale = Scale(low, low * ratio, log=log)
    ticks = scale.ticks()
    assert 3 <= len(ticks) <= 20
    assert ticks == sorted(set(ticks))
    assert -1e-6 <= scale.at(ticks[0]) < scale.at(ticks[-1]) <= 1 + 1e-6


def words(sheet_of, monkeypatch):
    """All texts that are written on a sheet."""
    found = []
    write = Sheet.words
    monkeypatch.setattr(
        Sheet, "words", lambda self, at, text, **how: (found.append(text), write(self, at, text, **how))
    )
    sheet_of()
    return found


def test_a_contact_sheet_says_what_it_shows(monkeypatch):
    few = made(count=24)
    assert {
        "24 instances of 3 x 13 x 17, 3 classes",
        "40 of 221 frequencies each, dct, also along the channels, step 0.05",
    } < set(found := words(lambda: preview(few), monkeypatch))
    assert {"mask", "all instances"} < set(found)
    assert "the first 5 of 8 instances" in words(lambda: preview(few, instances=5), monkeypatch)
    images = np.random.default_rng(0).normal(size=(9, 1, 4, 5)).astype(np.float32)
    uneven = fredfmt.encode(images, [0, 0, 0, 0, 0, 0, 1, 1, 1], k=3)
    found = words(lambda: preview(uneven, instances=4), monkeypatch)
    assert {"the first 4 instances", "4 of 6", "3 of 3"} < set(found)


def test_cells_of_a_contact_sheet_are_equally_far_apart():
    data = fredfmt.encode(np.zeros((12, 1, 8, 8), np.float32), np.arange(12) % 3, k=2, mask="low", step=None)
    dark = (np.asarray(preview(data, size=32))[90:] == 0).all(axis=2)
    edges = lambda line: np.flatnonzero(np.diff(line.astype(int)))  # noqa: E731
    starts = edges(dark[:, 300])[1::2]
    assert (np.diff(starts) == 36).all()
    columns = edges(dark[10, 170:])
    assert (np.diff(columns[::2]) == 36).all()


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "PNG"), (".JPG", "JPEG"), (".webp", "WEBP"), (".tiff", "TIFF")])
def test_a_picture_is_of_the_format_that_its_name_says(suffix, kind, tmp_path):
    fredfmt.save(made(), tmp_path / "x.fred")
    out = tmp_path / f"sheet{suffix}"
    assert CliRunner().invoke(app, ["preview", str(tmp_path / "x.fred"), str(out)]).exit_code == 0
    with Image.open(out) as picture:
        assert picture.format == kind


@pytest.mark.parametrize("words", [("preview", "a.svg"), ("preview", "a"), ("report", "a.pdf"), ("curve", "a.csv")])
def test_a_name_that_no_format_belongs_to_is_refused_and_nothing_is_written(words, tmp_path):
    command, name = words
    done = CliRunner().invoke(app, [command, str(tmp_path / "x.fred"), str(tmp_path / name)])
    assert isinstance(done.exception, fredfmt.ArgumentError)
    assert "no such format" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_are_two_pixels_a_character():
    data = made((3, 14, 14), k=60)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=80)
    console.print(thumbnails(data, width=80), soft_wrap=True)
    lines = out.getvalue().splitlines()
    assert len(lines) == 8
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line).split() for line in lines[7:]] == [["0", "1", "2"]]
    found = re.findall(r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", lines[3])
    expected = pixels(pictures(data, [0, 1, 2]))[:, 6:8]
    np.testing.assert_array_equal(np.array(found, int).reshape(3, 14, 2, 3), np.moveaxis(expected, 1, 2))


@pytest.mark.parametrize("shape", [(1, 5, 7, 6), (1, 40, 12), (1, 9, 31)], ids=str)
def test_thumbnails_fit_other_shapes(shape):
    sheet = thumbnails(made(shape, k=9), width=31)
    assert max(map(len, sheet.plain.splitlines())) <= 31
    assert thumbnails(made((2, 40), k=9), width=80) is None
