"""`Source`, its lazy views and its stratified choices, on made-up images of odd sizes."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from fredfmt import ArgumentError, Normalization, SourceError, encode
from fredfmt.codec.views import channel_normalization
from fredfmt.data.sources import Source, open_source

MEAN, STD = (0.1, 0.2), (0.3, 0.7)


def make(dtype=np.uint8, count=31, classes=3, shape=(2, 13, 17), **about):
    generator = np.random.default_rng(11)
    images = generator.integers(0, 256, (count, *shape), np.uint8)
    if dtype != np.uint8:
        images = (images / 255).astype(dtype)
    names = ("bee", "ant", "cow")[:classes]
    about = {"license": "MIT", "url": "https://example.org"} | about
    return Source("made-up", "train", images, np.arange(count) % classes, names, Normalization(MEAN, STD), **about)


def expected(source, rows):
    pixels = np.asarray(source.images[rows], np.float64) / (255 if source.images.dtype == np.uint8 else 1)
    return (pixels - np.reshape(MEAN, (2, 1, 1))) / np.reshape(STD, (2, 1, 1))


def rows_in(source, part):
    """Where the images of a part are in the source."""
    rows = {image.tobytes(): row for row, image in enumerate(source.images[:])}
    return [rows[image.tobytes()] for image in part.images[:]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_batches_are_normalised_in_the_order_asked(dtype):
    source = make(dtype)
    batch = source.batch([7, 3, 7, -1])
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, expected(source, np.array([7, 3, 7, 30])), atol=2e-6)
    np.testing.assert_array_equal(source.normalized[5:9], source.batch([5, 6, 7, 8]))
    assert source.normalized.shape == (31, 2, 13, 17)
    assert len(source) == len(source.normalized) == 31
    assert (source.channels, source.spatial_shape) == (2, (13, 17))


def test_subsets_of_subsets_copy_nothing_and_keep_the_normalisation():
    source = make()
    part = source.subset([9, 4, 5, 30, 2]).subset([3, 0, 1], selection="three of them")
    source.images[30] ^= 255  # a copy would not follow
    np.testing.assert_array_equal(part.images[:], source.images[[30, 9, 4]])
    np.testing.assert_array_equal(part.labels, source.labels[[30, 9, 4]])
    np.testing.assert_array_equal(part.batch([2, 0]), source.batch([4, 30]))
    assert part.normalization == source.normalization
    assert part.selection == "chosen images; three of them"


def test_splitting_off_is_stratified_disjoint_complete_and_seeded():
    source = make(count=100)
    rest, held_out = source.split_off(0.3, seed=4)
    members = [set(rows_in(source, part)) for part in (rest, held_out)]
    assert members[0].isdisjoint(members[1])
    assert members[0] | members[1] == set(range(100))
    assert np.bincount(held_out.labels).tolist() == [10, 10, 10]
    again, other = source.split_off(0.3, seed=4)[1], source.split_off(0.3, seed=5)[1]
    assert set(rows_in(source, again)) == members[1]
    assert set(rows_in(source, other)) != members[1]
    assert held_out.selection == "a random 30 % of every class, seed 4"
    assert rest.selection == "without a random 30 % of every class, seed 4"


def test_the_smallest_class_keeps_an_image_on_either_side():
    rest, held_out = make(count=6).split_off(0.01)
    assert np.bincount(held_out.labels).tolist() == np.bincount(rest.labels).tolist() == [1, 1, 1]
    with pytest.raises(ArgumentError, match="single image"):
        make(count=3).split_off(0.5)
    with pytest.raises(ArgumentError, match="fraction"):
        make().split_off(1.0)


def test_samples_are_drawn_class_by_class():
    source = make()
    sample = source.sample(4, seed=2)
    assert sample.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(set(rows_in(source, sample))) == 12
    np.testing.assert_array_equal(sample.images[:], source.sample(4, seed=2).images[:])
    assert rows_in(source, sample) != rows_in(source, source.sample(4, seed=3))
    with pytest.raises(ArgumentError, match="class ant: a class has too few images; expected 11, found 10"):
        source.sample(11)
    with pytest.raises(ArgumentError, match="unusable seed; expected an integer of at least 0, found -1"):
        source.sample(2, seed=-1)
    for per_class in ("2", 2.5, 0, [2, -1, 2], [2, 2]):
        with pytest.raises(ArgumentError, match="images per class"):
            source.sample(per_class)


def test_provenance_is_what_metadata_can_hold():
    sample = make().sample(2)
    provenance = json.loads(json.dumps(sample.provenance()))
    assert provenance == {
        "name": "made-up",
        "split": "train",
        "count": 6,
        "selection": "2 random images per class, seed 0",
        "license": "MIT",
        "url": "https://example.org",
    }
    data = encode(sample.normalized, sample.labels, k=5, source=provenance, normalization=sample.normalization)
    assert dict(data.metadata.source) == provenance


def test_encoding_the_lazy_view_equals_encoding_the_array_and_asks_for_blocks():
    source = make(count=200)
    asked = []

    class Watched:
        shape, dtype = source.images.shape, source.images.dtype

        def __len__(self):
            return len(source.images)

        def __getitem__(self, rows):
            asked.append(source.images[rows].nbytes)
            return source.images[rows]

    lazy = Source("watched", "train", Watched(), source.labels, source.classes, source.normalization)
    assert encode(lazy.normalized, lazy.labels, k=9) == encode(source.batch(range(200)), source.labels, k=9)
    assert asked


def test_sources_pickle():
    source = make().sample(3)
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.batch([1, 5]), source.batch([1, 5]))
    assert copy.provenance() == source.provenance()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_normalisation_measured_makes_mean_0_and_variance_1(dtype):
    source = make(dtype, count=53)
    measured = channel_normalization(source.images)
    pixels = source.images.astype(np.float64) / (255 if dtype == np.uint8 else 1)
    np.testing.assert_allclose(measured.mean, pixels.mean(axis=(0, 2, 3)), rtol=5e-4)
    np.testing.assert_allclose(measured.std, pixels.std(axis=(0, 2, 3)), rtol=5e-4)


def test_a_constant_channel_has_a_usable_normalisation():
    images = np.zeros((5, 2, 3, 4), np.uint8)
    images[:, 1] = 255
    assert channel_normalization(images) == Normalization((0.0, 1.0), (1.0, 1.0))


def test_the_repr_shows_shapes_not_data():
    assert repr(make().sample(1)) == (
        "Source made-up, train: 3 images of 2x13x17 uint8, 3 classes (1 random images per class, seed 0)"
    )


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("labels", np.zeros(30, int), "labels do not fit"),
        ("labels", np.zeros(31), "labels do not fit"),
        ("labels", np.full(31, 3), "a label is not a class number"),
        ("labels", np.full(31, -1), "a label is not a class number"),
        ("images", np.zeros((31, 4), np.uint8), "shape of the images is unusable"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(part, value, message):
    source = make()
    parts = {"images": source.images, "labels": source.labels} | {part: value}
    with pytest.raises(SourceError, match=message):
        Source("made-up", "train", classes=source.classes, normalization=source.normalization, **parts)


def test_classes_by_name_or_number():
    source = open_source("digits")
    chosen = source.of_classes(["7", 2, "0"])
    assert chosen.classes == ("7", "2", "0")
    for label, old in enumerate((7, 2, 0)):
        mine = source.batch(np.flatnonzero(source.labels == old))
        np.testing.assert_array_equal(chosen.batch(np.flatnonzero(chosen.labels == label)), mine)
    assert chosen.normalization == source.normalization
    assert "3 of 10 classes" in chosen.provenance()["selection"]
    assert source.of_classes(source.classes) is source
    for wrong, message in ((["ten"], "no such class"), ([10], "no such class"), ([1, "1"], "twice"), ([], "twice")):
        with pytest.raises(ArgumentError, match=message):
            source.of_classes(wrong)


@pytest.mark.parametrize(
    ("normalization", "message"),
    [
        (Normalization((125.3, 123.0), (63.0, 62.1)), r"made-up: the normalization is not that of images in 0..1"),
        (Normalization((0.5,) * 3, (0.5,) * 3), r"must have one value per channel; expected 2 values, found 3.*\(N, C"),
    ],
)
def test_a_normalisation_that_does_not_fit_is_refused(normalization, message):
    with pytest.raises(ArgumentError, match=message):
        replace(make(), normalization=normalization)


def test_images_in_memory_are_read_once_and_are_the_same(monkeypatch):
    source = open_source("digits").sample(2)
    held = source.in_memory()
    assert isinstance(held.images, np.ndarray)
    assert np.array_equal(held.normalized[:], source.normalized[:])
    assert held.provenance() == source.provenance()
    monkeypatch.setattr("fredfmt.data.sources.source.HELD_BYTES", held.images.nbytes - 1)
    assert source.in_memory() is source
