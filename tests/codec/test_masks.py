"""Mask strategies against brute force on real images, and their edges."""

import tracemalloc

import numpy as np
import pytest
import scipy.fft

from fredfmt import ArgumentError
from fredfmt.codec import spool
from fredfmt.codec.masks import MASKS, ClassStatistics, choose_frequencies
from fredfmt.codec.masks import statistics as statistics_
from fredfmt.data.sources import open_source
from fredfmt.model.ordering import coarse_to_fine, ranks


def gathered(spectra, labels, classes, batch=50):
    statistics = ClassStatistics(classes, *spectra.shape[1:])
    for start in range(0, len(spectra), batch):
        statistics.update(spectra[start : start + batch], labels[start : start + batch])
    return statistics


@pytest.fixture(scope="module")
def digits():
    """Spectra (instance, channel, frequency) and labels of real images, made two-channel and non-square."""
    source = open_source("digits")
    images = source.batch(np.arange(400))[:, :, :7]
    images = np.concatenate([images, images[:, :, ::-1] * 0.5 + 3], axis=1)
    spectra = scipy.fft.dctn(images, axes=(2, 3), norm="ortho").reshape(400, 2, 56)
    return spectra, source.labels[:400]


def test_statistics_gathered_in_batches_equal_numpys(digits):
    spectra, labels = digits
    statistics = gathered(spectra, labels, 10, batch=37)
    (moments,) = statistics.parts()
    for label in range(10):
        mine = spectra[labels == label].astype(np.float64)
        assert statistics.count[label] == len(mine)
        np.testing.assert_allclose(moments.mean[label], mine.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(moments.variance[label], mine.var(axis=0), atol=1e-9)
        np.testing.assert_allclose(moments.power[label], np.square(mine).mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("mask", MASKS)
def test_many_classes_in_files_and_in_parts_give_the_same_masks(digits, monkeypatch, mask):
    expected = gathered(*digits, 10)
    chosen = choose_frequencies(expected, (7, 8), 9, mask=mask)
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    monkeypatch.setattr(statistics_, "blocks", lambda length, size: [slice(0, 3), slice(3, 4), slice(4, 10)])
    parts = gathered(*digits, 10)
    assert len(list(parts.parts())) == 3
    np.testing.assert_array_equal(choose_frequencies(parts, (7, 8), 9, mask=mask), chosen)
    assert parts.describe(chosen) == pytest.approx(expected.describe(chosen), abs=2e-4)
    np.testing.assert_allclose(parts.between, expected.between, atol=1e-12)
    np.testing.assert_allclose(parts.within, expected.within, atol=1e-12)


def test_a_class_without_variance_is_named_by_its_number_in_any_part(monkeypatch):
    monkeypatch.setattr(statistics_, "blocks", lambda length, size: [slice(0, 2), slice(2, 4)])
    labels = np.array([0, 0, 1, 1, 2, 2, 3])
    with pytest.raises(ArgumentError, match=r"class 3 \(1 images\)"):
        choose_frequencies(gathered(np.random.default_rng(0).standard_normal((7, 2, 12)), labels, 4), (3, 4), 4)


@pytest.mark.parametrize("mask", MASKS)
def test_memory_of_masks_does_not_grow_with_the_number_of_classes(monkeypatch, mask):
    monkeypatch.setattr(spool, "IN_MEMORY", 0)

    def peak(classes):
        spectra = np.random.default_rng(0).standard_normal((2, 3, 128 * 96), np.float32)
        tracemalloc.start()
        statistics = ClassStatistics(classes, 3, 128 * 96)
        for label in range(classes):
            statistics.update(spectra, np.array([label, label]))
        statistics.describe(choose_frequencies(statistics, (128, 96), 40, mask=mask))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(64) - peak(16) < 2e6  # a class has 0.6 MB of moments


def test_evr_is_the_diagonal_of_the_covariance_over_its_trace(digits):
    spectra, labels = digits
    chosen = choose_frequencies(gathered(spectra, labels, 10), (7, 8), 20)
    for label in range(10):
        mine = spectra[labels == label].astype(np.float64)
        ratio = sum(np.diag(np.cov(mine[:, channel], rowvar=False)) for channel in range(2))
        ratio = ratio / ratio.sum()
        assert set(chosen[label]) == set(np.argsort(-ratio)[:20])


def test_amplitude_leaves_out_the_least_energy(digits):
    spectra, labels = digits
    statistics = gathered(spectra, labels, 10)
    kept = {}
    for mask in MASKS:
        chosen = choose_frequencies(statistics, (7, 8), 11, mask=mask)[labels]
        kept[mask] = np.square(np.take_along_axis(spectra, chosen[:, None].astype(int), axis=2)).sum()
    assert max(kept, key=kept.get) == "amplitude"
    assert min(kept, key=kept.get) == "high"


def test_low_is_the_start_of_the_canonical_order(digits):
    statistics = gathered(*digits, 10)
    np.testing.assert_array_equal(
        choose_frequencies(statistics, (7, 8), 9, mask="low"), np.tile(coarse_to_fine((7, 8))[:9], (10, 1))
    )


def test_random_is_seeded_and_differs_by_class(digits):
    statistics = gathered(*digits, 10)
    first, again, other = (choose_frequencies(statistics, (7, 8), 9, mask="random", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("k", [1, 5, 55, 56])
def test_masks_are_in_order_without_repeats(digits, mask, k):
    chosen = choose_frequencies(gathered(*digits, 10), (7, 8), k, mask=mask)
    assert chosen.shape == (10, k)
    assert chosen.dtype == np.uint16
    assert (np.diff(ranks((7, 8))[chosen], axis=1) > 0).all()


def test_evr_refuses_a_class_without_variance():
    one = gathered(np.random.default_rng(0).standard_normal((5, 2, 12)), np.array([0, 0, 1, 2, 2]), 3)
    with pytest.raises(ArgumentError, match=r"class 1 \(1 images\).*amplitude"):
        choose_frequencies(one, (3, 4), 4)
    constant = gathered(np.full((6, 1, 12), 0.1, np.float32), np.array([0, 0, 0, 1, 1, 1]), 2)
    with pytest.raises(ArgumentError, match=r"class 0 \(3 images\)"):
        choose_frequencies(constant, (3, 4), 4)
    for mask in ("amplitude", "low", "random"):
        assert choose_frequencies(one, (3, 4), 4, mask=mask).shape == (3, 4)
    assert choose_frequencies(one, (3, 4), 12).shape == (3, 12)


def test_a_wide_shape_needs_wide_indices():
    statistics = ClassStatistics(1, 1, 300 * 301)
    assert choose_frequencies(statistics, (300, 301), 7, mask="low").dtype == np.uint32


@pytest.mark.parametrize("k", [0, -1, 57])
def test_k_out_of_range_is_refused(digits, k):
    with pytest.raises(ArgumentError, match="1 to 56"):
        choose_frequencies(gathered(*digits, 10), (7, 8), k)


def test_unknown_strategies_are_refused(digits):
    with pytest.raises(ArgumentError, match="no such mask strategy"):
        choose_frequencies(gathered(*digits, 10), (7, 8), 3, mask="high-ish")


def test_high_is_low_backwards(digits):
    statistics = gathered(*digits, 10)
    low = choose_frequencies(statistics, (7, 8), 20, mask="low")
    high = choose_frequencies(statistics, (7, 8), 36, mask="high")
    assert all(set(a) | set(b) == set(range(56)) for a, b in zip(low, high, strict=True))


def test_between_and_within_variance_are_those_of_the_whole(digits):
    spectra, labels = digits
    statistics = gathered(spectra, labels, 10)
    whole = spectra.astype(np.float64)
    means = np.stack([whole[labels == label].mean(axis=0) for label in range(10)])[labels]
    np.testing.assert_allclose(statistics.between, means.var(axis=0), atol=1e-9)
    np.testing.assert_allclose(statistics.within, np.square(whole - means).mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(statistics.between + statistics.within, whole.var(axis=0), atol=1e-9)


def test_fisher_keeps_what_explained_variance_is_blind_to(digits):
    """A fine pattern that is the same in every image of a class, and differs between classes."""
    spectra, labels = (part.copy() for part in digits)
    spectra[:, :, 50] = (labels % 3)[:, None] * 0.3 + np.random.default_rng(0).normal(0, 1e-3, (400, 2))
    statistics = gathered(spectra, labels, 10)
    assert not (choose_frequencies(statistics, (7, 8), 8, mask="evr") == 50).any()
    fisher = choose_frequencies(statistics, (7, 8), 8, mask="fisher")
    assert (fisher == 50).any(axis=1).all()
    evr = statistics.describe(choose_frequencies(statistics, (7, 8), 8, mask="evr"))
    assert statistics.describe(fisher)["between_kept"] > 0
    assert 0 < evr["variance_kept"] < 1
    assert statistics.describe(choose_frequencies(statistics, (7, 8), 56)) == {"variance_kept": 1, "between_kept": 1}


def test_fisher_needs_classes_that_vary(digits):
    with pytest.raises(ArgumentError, match="Fisher's ratio is undefined"):
        choose_frequencies(gathered(digits[0], np.zeros(400, int), 1), (7, 8), 8, mask="fisher")
    equal = np.repeat(digits[0][:2], 5, axis=0)
    with pytest.raises(ArgumentError, match="Fisher's ratio is undefined"):
        choose_frequencies(gathered(equal, np.repeat([0, 1], 5), 2), (7, 8), 8, mask="fisher")
