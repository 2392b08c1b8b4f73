from dataclasses import replace

import numpy as np
import pytest
import torch
from needed import compiled_loops

from fredfmt import ArgumentError, encode
from fredfmt.distill import (
    CorruptionConfig,
    EvaluationConfig,
    NetworkConfig,
    coded_images,
    compare,
    evaluate,
    own_start,
    score,
)
from fredfmt.distill.augment import augmentation_for
from fredfmt.distill.evaluation.baselines import equal_budget, equal_instances
from fredfmt.distill.evaluation.corruptions import CORRUPTIONS, corrupt
from fredfmt.distill.evaluation.schedule import schedule
from fredfmt.model.parts import Normalization
from fredfmt.storage.files import packed_size
from fredfmt.storage.ledger import ledger

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


def test_a_convnet_has_the_depth_that_suits_the_images(digits):
    large = replace(digits, images=np.repeat(np.repeat(digits.images[:], 8, 2), 8, 3), aliases=())
    of_64 = encoded(large, 2)
    assert EvaluationConfig.for_data(of_64, width=8).network == NetworkConfig(width=8, depth=4)
    assert EvaluationConfig.for_data(of_64, network="convnet", depth=2).network.depth == 2
    assert EvaluationConfig.for_data(of_64, network="vit").network == NetworkConfig("vit")
    assert EvaluationConfig.for_data(encoded(digits, 2)).network == NetworkConfig()
    for wrong in ({"protocol": "paper", "steps": 9}, {"epochs": 9}):
        with pytest.raises(ArgumentError, match="has no"):
            EvaluationConfig.for_data(of_64, **wrong)
    of_images = EvaluationConfig.for_data(large)
    assert (of_images.network.depth, of_images.augmentation) == (4, augmentation_for("digits"))


def test_without_settings_the_protocol_is_that_of_the_data(digits, digits_test, monkeypatch):
    monkeypatch.setattr(EvaluationConfig, "for_data", classmethod(lambda cls, data: QUICK.replace(steps=7, seeds=1)))
    for data in (digits, encoded(digits, 2)):
        assert evaluate(data, digits_test).config.steps == 7
    for row in compare(encoded(digits, 2), digits, digits_test, baselines=["own-start"]):
        assert row.evaluation.config.steps == 7


def test_the_published_protocol_counts_epochs(digits, digits_test):
    config = EvaluationConfig.paper(epochs=5, batch=20, network=NetworkConfig(width=16), augmentation="none", seeds=1)
    batches = list(schedule(50, config, seed=3))
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
    assert done == [*range(0, 120, 10)]
    single = evaluate(encoded(digits, 3), digits_test, replace(QUICK, seeds=1))
    assert single.accuracies == (first,)
    assert single.to_json()["std"] is None
    assert "first_seed" not in single.to_json()
    other = evaluate(encoded(digits, 3), digits_test, replace(QUICK, seeds=1, first_seed=1))
    assert other.accuracies == (second,)
    assert other.to_json()["first_seed"] == 1


def test_test_images_are_normalised_as_the_data_are(digits, digits_test):
    chosen = digits.sample(10, seed=0)
    shifted = replace(chosen, normalization=Normalization((0.3,), (0.05,)))
    data = encode(
        shifted.normalized, shifted.labels, k=64, step=None, normalization=shifted.normalization, classes=digits.classes
    )
    result = evaluate(data, digits_test, QUICK)
    assert result.mean > 0.5
    otherwise = replace(digits_test, normalization=Normalization((0.9,), (0.8,)))
    assert evaluate(data, otherwise, QUICK).accuracies == result.accuracies


def test_soft_labels_that_are_certain_are_hard_labels(digits, digits_test):
    data = encoded(digits, 4)
    soft = replace(data, labels=np.eye(10, dtype=np.float32)[data.labels], mask_of=data.mask_of)
    quick = replace(QUICK, seeds=1, steps=15)
    assert evaluate(soft, digits_test, quick).mean == pytest.approx(evaluate(data, digits_test, quick).mean, abs=0.01)


def test_other_classes_or_shapes_are_refused(digits, digits_test, patches):
    with pytest.raises(ArgumentError, match="differ in their classes"):
        evaluate(encoded(patches, 3), digits_test, QUICK)
    renamed = replace(digits_test, classes=tuple(f"digit {name}" for name in digits_test.classes))
    with pytest.raises(ArgumentError, match="differ in their classes"):
        evaluate(encoded(digits, 3), renamed, QUICK)
    cropped = replace(digits_test, images=digits_test.images[:, :, 1:])
    with pytest.raises(ArgumentError, match="differ in their spatial shape"):
        evaluate(encoded(digits, 3), cropped, QUICK)


@compiled_loops
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


@compiled_loops
def test_coded_images_fill_the_bytes_with_as_many_images_as_their_quality_allows(digits):
    small, large = coded_images(digits, 2_500), coded_images(digits, 5_000)
    for data, limit in ((small, 2_500), (large, 5_000)):
        assert 0.97 * limit < packed_size(data) <= limit
        assert 0.4 < data.metadata.reconstruction["rmse"] < 0.6  # 0.4 if error and bits decided
        assert len(set(np.bincount(data.labels))) == 1
    assert len(large) > 2 * len(small)
    other = coded_images(digits, 2_500, seed=1)
    assert not np.array_equal(other.coefficients[:10], small.coefficients[:10])


@compiled_loops
def test_coded_images_are_finer_once_a_class_is_used_up(digits):
    few = digits.sample(12, seed=0)
    data = coded_images(few, 14_000)
    assert len(data) == 120
    assert data.metadata.reconstruction["rmse"] < 0.2


def test_coded_images_need_some_bytes(digits):
    with pytest.raises(ArgumentError, match="max_bytes"):
        coded_images(digits, 1_000)


def test_corruptions_are_tested_on_by_the_same_networks(digits, digits_test):
    data = encoded(digits, 10)
    quick = replace(QUICK, steps=100)
    plain = evaluate(data, digits_test, quick)
    result = evaluate(data, digits_test, quick, corruptions=CorruptionConfig(("rotate", "jpeg"), (1, 5)))
    assert result.accuracies == plain.accuracies
    robustness = result.robustness
    assert [(one.name, one.severity) for one in robustness.each] == [
        ("rotate", 1), ("rotate", 5), ("jpeg", 1), ("jpeg", 5)
    ]  # fmt: skip
    slight, strong = robustness.each[:2]
    assert strong.mean < slight.mean - 0.1
    by_network = np.array([one.accuracies for one in robustness.each])
    assert robustness.accuracies == pytest.approx(by_network.mean(0))
    assert robustness.mean == pytest.approx(by_network.mean())
    assert robustness.relative_drop == pytest.approx(1 - by_network.mean() / result.mean)
    assert robustness.of("jpeg") == pytest.approx(by_network[2:].mean())
    document = result.to_json()["corruptions"]
    assert document["relative_drop"] == pytest.approx(robustness.relative_drop, abs=1e-5)
    assert document["each"][1]["accuracies"] == pytest.approx(by_network[1])
    assert "corruptions" not in plain.to_json()


def test_corrupted_images_are_normalised_with_the_statistics_of_training(digits, digits_test):
    """The oracle: a test set that was corrupted beforehand, in 0..1, and is tested on as if it were clean."""
    chosen = digits.sample(10, seed=0)
    odd = replace(chosen, normalization=Normalization((0.35,), (0.15,)))
    data = encode(odd.normalized, odd.labels, k=64, step=None, normalization=odd.normalization, classes=odd.classes)
    images = torch.from_numpy(np.asarray(digits_test.images, np.float32))
    for name in ("brightness", "gaussian_noise"):
        found = evaluate(data, digits_test, QUICK, corruptions=CorruptionConfig((name,), (5,), seed=3)).robustness
        before = replace(digits_test, images=corrupt(images, name, 5, seed=3).numpy())
        assert found.each[0].accuracies == evaluate(data, before, QUICK).accuracies


def test_all_corruptions_by_default(digits, digits_test):
    few = digits_test.subset(np.arange(20))
    config = replace(QUICK, steps=2, seeds=1)
    robustness = evaluate(encoded(digits, 2), few, config, corruptions=CorruptionConfig()).robustness
    assert [(one.name, one.severity) for one in robustness.each] == [
        (name, s) for name in CORRUPTIONS for s in (1, 3, 5)
    ]
    with pytest.raises(ArgumentError, match="no such corruption"):
        evaluate(encoded(digits, 2), few, config, corruptions=CorruptionConfig(("snow",)))


def test_real_images_unchanged(digits, digits_test):
    """A source is trained on as its images in float32 would be."""
    chosen = digits.sample(5, seed=0)
    exact = encode(
        chosen.normalized, chosen.labels, k=64, step=None, transform="identity", mask="low",
        normalization=chosen.normalization, classes=chosen.classes,
    )  # fmt: skip
    assert evaluate(chosen, digits_test, QUICK).mean == pytest.approx(
        evaluate(exact, digits_test, QUICK).mean, abs=0.01
    )


def test_baselines(digits, digits_test):
    data = encoded(digits, 6, k=24)  # 144 numbers a class: two whole images and a bit
    names = ("whole", "equal-instances", "equal-budget")
    rows = compare(data, digits, digits_test, replace(QUICK, steps=20), baselines=names)
    assert [row.name for row in rows] == ["file", "whole set", "equal instances", "equal budget"]
    assert [row.instances_per_class for row in rows] == [6, len(digits) / 10, 6, 2]
    assert [row.bytes for row in rows] == [packed_size(data), len(digits) * 257, 60 * 257, 20 * 257]
    assert rows[0].bits_per_class == pytest.approx(ledger(data).bits_per_class)
    assert rows[3].to_json()["bits_per_class"] == 4112
    with pytest.raises(ArgumentError, match="no such baseline"):
        compare(data, digits, digits_test, QUICK, baselines=("coded", "luck"))


def test_another_source_than_that_of_the_data_is_said(digits, digits_test, caplog):
    data = encoded(digits, 2, k=24)
    data = replace(data, metadata=replace(data.metadata, source=digits.provenance()))
    compare(data, digits, digits_test, replace(QUICK, steps=1), baselines=())
    assert not caplog.records
    other = replace(data, metadata=replace(data.metadata, source={"name": "cifar10", "split": "train"}))
    compare(other, digits, digits_test, replace(QUICK, steps=1), baselines=())
    score(other, digits, digits_test, replace(QUICK, steps=1, seeds=1))
    compared, scored = (record.getMessage() for record in caplog.records)
    assert compared == scored
    assert compared == (
        "the data come from cifar10 train, but the given images are digits train; baselines are drawn from these,"
        " and their test images are normalised as the data are"
    )


def test_baselines_are_whole_real_images_drawn_anew(digits):
    data = encoded(digits, 6, k=24)
    uneven = replace(data, coefficients=data.coefficients[7:], labels=data.labels[7:], mask_of=data.labels[7:])
    drawn = equal_instances(uneven, digits, seed=1)
    np.testing.assert_array_equal(drawn.labels, uneven.labels)
    real = {(int(label), one.tobytes()) for label, one in zip(digits.labels, digits.images[:], strict=True)}
    images = drawn.images[:]
    assert all((int(label), one.tobytes()) in real for label, one in zip(drawn.labels, images, strict=True))
    assert not np.array_equal(equal_instances(uneven, digits, seed=2).images[:], images)
    np.testing.assert_array_equal(np.bincount(equal_budget(data, digits).labels), [2] * 10)
    with pytest.raises(ArgumentError, match="less than one whole image"):
        equal_budget(encoded(digits, 2, k=24), digits)
    with pytest.raises(ArgumentError, match="too few images"):
        equal_instances(data, digits.sample(5))


def test_impossible_baselines_are_found_before_anything_is_trained(digits, digits_test):
    done = []
    with pytest.raises(ArgumentError, match="less than one whole image"):
        compare(encoded(digits, 2, k=24), digits, digits_test, QUICK, baselines=["equal-budget"], progress=done.append)
    assert not done
