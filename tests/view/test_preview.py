"""Pictures made with NumPy and Pillow: the numbers in them, and what is drawn for each kind of data."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import fredfmt
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
        expected = fredfmt.decode(data, [5, 0, 23], k=k, normalized=False).numpy()
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
    assert picture.shape == (3 * 16 + 2, 110 + 9 * 14, 3)
    expected = pixels(pictures(volume, [0])[:, :, 2])[0].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(picture[2:16, 124:136], expected)

    rising = fredfmt.encode(np.linspace(0, 1, 30, dtype=np.float32)[None, None], [0], k=30, mask="low", step=None)
    line = np.asarray(preview(rising, size=40))[2:42, 110 + 82 : 110 + 162].mean(axis=2)
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
    assert (picture[:, 104:110] == 255).all()
    assert shortened("short") == "short"
    assert shortened("a\nb\x1bc") == "a bc"
    assert shortened("W" * 40).endswith("W…")


def test_one_frequency_and_empty_classes_can_be_drawn():
    data = fredfmt.encode(np.ones((2, 1, 3, 4), np.float32), [0, 0], k=1, mask="low", classes=("full", "empty"))
    for kind in KINDS:
        preview(data, kind=kind)


def test_ticks_are_round_and_inside():
    assert Scale(0, 100).ticks() == [0, 20, 40, 60, 80, 100]
    assert Scale(61.5, 84.2).ticks() == [65, 70, 75, 80]
    assert Scale(1, 49, log=True).ticks() == [1, 2, 5, 10, 20]
    assert Scale(1, 100, log=True).at(10) == pytest.approx(0.5)
    assert [written(value) for value in (0.5, 20, 5000, 25_000, 2e6)] == ["0.5", "20", "5,000", "25k", "2M"]
    axes = Axes(Sheet(10, 10), (2, 1, 8, 9), Scale(0, 3), Scale(10, 20))
    assert axes.place(3, 10) == (8, 9)
    assert axes.place(0, 20) == (2, 1)


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
