from dataclasses import replace

import numpy as np
import pytest
import torch

from fredfmt import ArgumentError, encode
from fredfmt.distill import EvaluationConfig, NetworkConfig, coded_images, compare, evaluate, own_start
from fredfmt.distill.evaluation import _epochs
from fredfmt.metadata import Normalization
from fredfmt.storage import packed_size

QUICK = EvaluationConfig(steps=60, batch=32, network=NetworkConfig(width=16), augmentation="scale_rotate", seeds=2)


def encoded(source, per_class, **how):
    chosen = source.sample(per_class, seed=0)
    return encode(
        chosen.normalized,
        chosen.labels,
        **{"k": 48, "step": 0.5, "normalization": chosen.normalization, "classes": chosen.classes, **how},
    )


def test_networks_learn_from_the_data_and_nothing_else(digits, digits_test):
    data = encoded(digits, 10)
    result = evaluate(data, digits_test, QUICK)
    assert len(result.accuracies) == 2
    assert result.mean > 0.5  # chance is 0.1
    assert result.accuracies[0] != result.accuracies[1]
    assert evaluate(data, digits_test, QUICK).accuracies == result.accuracies
    wrong = replace(data, labels=(data.labels + 1) % 10, mask_of=data.mask_of)
    assert evaluate(wrong, digits_test, QUICK).mean < 0.1


def test_the_published_protocol_counts_epochs(digits, digits_test):
    config = EvaluationConfig.paper(epochs=5, batch=20, network=NetworkConfig(width=16), augmentation="none", seeds=1)
    batches = list(_epochs(50, config, seed=3))
    assert [len(rows) for rows, _ in batches] == [20, 20, 10] * 5
    assert [factor for _, factor in batches[::3]] == [1, 1, 1, 0.1, 0.1]
    assert all(
        sorted(torch.cat([rows for rows, _ in batches[at : at + 3]]).tolist()) == list(range(50)) for at in (0, 12)
    )
    assert not torch.equal(batches[0][0], batches[3][0])
    result = evaluate(encoded(digits, 10), digits_test, replace(config, epochs=40, lr=0.05))
    assert result.mean > 0.5
    assert result.to_json()["protocol"] == "paper"
    published = EvaluationConfig.paper()
    assert (published.epochs, published.batch, published.lr, published.seeds) == (1000, 256, 0.01, 5)


def test_figures(digits, digits_test):
    done = []
    result = evaluate(encoded(digits, 3), digits_test, QUICK, progress=lambda progress: done.append(progress.done))
    first, second = result.accuracies
    assert result.mean == pytest.approx((first + second) / 2)
    assert result.std == pytest.approx(abs(first - second) / 2**0.5)
    assert result.standard_error == pytest.approx(abs(first - second) / 2)
    document = result.to_json()
    assert document["protocol"] == "steps"
    assert document["steps"] == 60
    assert document["images"] == 500
    assert document["test"] == "digits test"
    assert done == [0, 1]
    single = evaluate(encoded(digits, 3), digits_test, replace(QUICK, seeds=1))
    assert single.accuracies == (first,)
    assert single.to_json()["std"] is None


def test_test_images_are_normalised_as_the_data_are(digits, digits_test):
    chosen = digits.sample(10, seed=0)
    shifted = replace(chosen, normalization=Normalization((0.3,), (0.05,)))
    data = encode(
        shifted.normalized, shifted.labels, k=64, step=None, normalization=shifted.normalization, classes=digits.classes
    )
    result = evaluate(data, digits_test, QUICK)
    assert result.mean > 0.5
    otherwise = replace(digits_test, normalization=Normalization((0.9,), (3.0,)))
    assert evaluate(data, otherwise, QUICK).accuracies == result.accuracies


def test_soft_labels_that_are_certain_are_hard_labels(digits, digits_test):
    data = encoded(digits, 4)
    soft = replace(data, labels=np.eye(10, dtype=np.float32)[data.labels], mask_of=data.mask_of)
    quick = replace(QUICK, seeds=1, steps=15)
    assert evaluate(soft, digits_test, quick).mean == pytest.approx(evaluate(data, digits_test, quick).mean, abs=0.01)


def test_other_classes_or_shapes_are_refused(digits, digits_test, patches):
    with pytest.raises(ArgumentError, match="other classes"):
        evaluate(encoded(patches, 3), digits_test, QUICK)
    renamed = replace(digits_test, classes=tuple(f"digit {name}" for name in digits_test.classes))
    with pytest.raises(ArgumentError, match="other classes"):
        evaluate(encoded(digits, 3), renamed, QUICK)
    cropped = replace(digits_test, images=digits_test.images[:, :, 1:])
    with pytest.raises(ArgumentError, match="other spatial shape"):
        evaluate(encoded(digits, 3), cropped, QUICK)


def test_a_comparison_keeps_to_the_bytes_of_the_file(digits, digits_test):
    data = encoded(digits, 5, k=30, step=0.2)
    rows = compare(data, digits, digits_test, replace(QUICK, steps=20))
    assert [row.name for row in rows] == ["file", "own start", "coded images"]
    file, start, coded = rows
    assert file.bytes == packed_size(data)
    assert file.instances_per_class == start.instances_per_class == 5
    assert coded.bytes <= file.bytes
    assert coded.instances_per_class > 5
    assert all(len(row.evaluation.accuracies) == 2 for row in rows)
    assert rows[2].to_json()["result"]["accuracy"] == pytest.approx(coded.evaluation.mean)


def test_own_start_is_real_images_in_the_same_layout(digits):
    data = encoded(digits, 4, k=30)
    order = np.random.default_rng(0).permutation(40)[:-3]  # classes mixed, and not equally many
    mixed = replace(data, coefficients=data.coefficients[order], labels=data.labels[order], mask_of=data.labels[order])
    start = own_start(mixed, digits)
    np.testing.assert_array_equal(start.labels, mixed.labels)
    np.testing.assert_array_equal(start.frequencies, mixed.frequencies)
    assert start.metadata.quantization.step == 0.5
    assert len(np.unique(start.coefficients, axis=0)) == 37
    everything = encode(digits.normalized, digits.labels, k=30, mask=data.frequencies, step=0.5)
    real = {(int(label), one.tobytes()) for label, one in zip(everything.labels, everything.coefficients, strict=True)}
    assert all((int(label), one.tobytes()) in real for label, one in zip(start.labels, start.coefficients, strict=True))


def test_coded_images_fill_the_bytes_with_as_many_images_as_their_quality_allows(digits):
    small, large = coded_images(digits, 4_000), coded_images(digits, 8_000)
    for data, limit in ((small, 4_000), (large, 8_000)):
        assert 0.97 * limit < packed_size(data) <= limit
        assert data.metadata.reconstruction["rmse"] == pytest.approx(0.4, abs=0.06)
        assert len(set(np.bincount(data.labels))) == 1
    assert len(large) > 2 * len(small)
    other = coded_images(digits, 4_000, seed=1)
    assert not np.array_equal(other.coefficients[:10], small.coefficients[:10])


def test_coded_images_are_finer_once_a_class_is_used_up(digits):
    few = digits.sample(12, seed=0)
    data = coded_images(few, 14_000)
    assert len(data) == 120
    assert data.metadata.reconstruction["rmse"] < 0.2


def test_coded_images_need_some_bytes(digits):
    with pytest.raises(ArgumentError, match="max_bytes"):
        coded_images(digits, 1_000)
