"""Labels of a teacher: calibrated, repeatable, and what files and baselines make of them."""

import numpy as np
import pytest
import torch
from needed import compiled_loops

from fredfmt import ArgumentError, decode, encode
from fredfmt.distill import DistillConfig, EvaluationConfig, NetworkConfig, coded_images, compare, distill, own_start
from fredfmt.distill.evaluation.coarse import Coarse
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.evaluation.teacher import Teacher, train_teacher
from fredfmt.storage.files import packed_size
from fredfmt.transforms import analyse

CONFIG = DistillConfig(
    k=16, ipc=0.5, mask="low", iterations=2, batch_real=4, network={"width": 8}, augmentation="none", average=0,
    teacher_steps=200, teacher_width=12, learn_labels=True,
)  # fmt: skip


def test_a_teacher_knows_most_images_and_says_how_sure_it_is(digits):
    rest, held = digits.split_off(0.3)
    teacher = train_teacher(rest, CONFIG)
    labels = teacher.labels(held.normalized)
    assert labels.shape == (len(held), 10)
    assert np.allclose(labels.sum(1), 1, atol=1e-5)
    right = labels.argmax(1) == held.labels
    assert right.mean() > 0.6
    assert labels.max(1).mean() == pytest.approx(right.mean(), abs=0.12)


@pytest.mark.parametrize("factor", [0.2, 1.0, 6.0])
def test_the_temperature_undoes_what_a_network_is_too_sure_or_unsure_of(digits, factor):
    class Scaled(torch.nn.Module):
        def forward(self, images):
            return factor * torch.nn.functional.one_hot(answers[: len(images)], 10).float()

    held = digits.subset(np.arange(200))
    answers = torch.tensor(held.labels)
    answers[::4] = (answers[::4] + 1) % 10
    teacher = Teacher(Scaled(), NetworkConfig(), held, "cpu")
    assert teacher.accuracy == 0.75
    assert teacher.labels(held.normalized).max(1).mean() == pytest.approx(0.75, abs=0.03)


def test_equal_settings_give_an_equal_teacher(digits):
    few = digits.sample(20)
    first = train_teacher(few, CONFIG).labels(few.normalized)
    again = train_teacher(digits.sample(20), CONFIG).labels(few.normalized)
    other = train_teacher(few, CONFIG.replace(seed=1)).labels(few.normalized)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_teacher_without_steps(digits):
    with pytest.raises(ArgumentError, match="no teacher"):
        train_teacher(digits, DistillConfig())


def test_a_run_starts_from_the_teachers_labels_and_the_file_says_how(digits):
    config = CONFIG.replace(iterations=0, held_out=0.2)
    data = distill(digits, config)
    train, _ = held_out(digits, config)
    assert data.soft
    assert np.array_equal(data.labels * 16, np.rint(data.labels * 16))
    assert data.metadata.distillation["teacher"] == {"teacher_steps": 200, "teacher_width": 12}
    start = own_start(data, digits)
    assert np.array_equal(start.labels, data.labels)
    assert np.array_equal(start.coefficients, data.coefficients)
    assert (data.hard_labels == train.sample(2).labels).mean() > 0.6


@pytest.mark.parametrize("rate", ["auto", 0.0])
def test_labels_say_what_can_be_seen_of_the_coded_images_too(digits, rate):
    config = CONFIG.replace(iterations=0, step=3.0, rate=rate, max_bytes=2100, quantize_in_loop=True)
    both, originals = (distill(digits, config.replace(teacher_labels=one)) for one in ("both", "originals"))
    images = digits.sample(2)
    seen = encode(images.normalized, images.labels, k=16, mask="low", step=3.0, classes=images.classes)
    teacher = train_teacher(digits, config)
    alone, coded = teacher.labels(images.normalized), teacher.labels(decode(seen).numpy())
    assert np.abs(alone - coded).max() > 0.5
    assert np.abs(both.labels - (alone + coded) / 2).max() < 1 / 16
    other = train_teacher(digits, config.replace(teacher_labels="originals"))
    assert np.abs(originals.labels - other.labels(images.normalized)).max() < 1 / 16
    assert np.array_equal(own_start(both, digits).labels, both.labels)
    assert np.array_equal(own_start(both, digits).coefficients, both.coefficients)
    assert packed_size(own_start(both, digits)) == packed_size(both)


@compiled_loops
def test_labels_of_the_coded_baseline_count(digits):
    teacher = train_teacher(digits, CONFIG)
    soft, hard = coded_images(digits, 4000, teacher=teacher), coded_images(digits, 4000)
    assert (soft.soft, hard.soft) == (True, False)
    assert packed_size(soft) <= 4000
    assert len(soft) < len(hard)


@compiled_loops
def test_soft_labels_are_compared_with_soft_labels(digits, digits_test):
    protocol = EvaluationConfig(steps=2, seeds=1, network={"width": 4}, augmentation="none")
    soft = distill(digits, CONFIG)
    hard = distill(digits, CONFIG.replace(teacher_steps=0, learn_labels=False))
    assert [row.name for row in compare(soft, digits, digits_test, protocol)] == [
        "file", "own start", "coded images", "coded, soft labels",
    ]  # fmt: skip
    assert [row.name for row in compare(hard, digits, digits_test, protocol)] == ["file", "own start", "coded images"]


@compiled_loops
@pytest.mark.parametrize(("max_bytes", "at_most"), [(3000, 20), (5100, 40)])
def test_images_with_a_teachers_labels_fit_their_bytes_whatever_their_number(digits, max_bytes, at_most):
    teacher = train_teacher(digits, CONFIG.replace(teacher_steps=20))
    coded = coded_images(digits, max_bytes, teacher=teacher, at_most=at_most)
    assert 0.97 * max_bytes < packed_size(coded) <= max_bytes


@compiled_loops
def test_a_rare_class_does_not_make_the_others_rare(digits):
    there = [12 if label == 3 else 100 for label in range(10)]
    rows = [np.flatnonzero(digits.labels == label)[:count] for label, count in enumerate(there)]
    coded = coded_images(digits.subset(np.concatenate(rows)), 4000, at_most=20)
    assert np.bincount(coded.hard_labels).tolist() == np.minimum(there, 20).tolist()


@pytest.mark.parametrize(("shape", "transform"), [((32,), "dct"), ((8, 6), "haar"), ((4, 4, 6), "dct")])
def test_half_of_the_images_are_coarse_and_each_time_others(shape, transform):
    images = torch.randn(400, 2, *shape, generator=torch.Generator().manual_seed(0)) * 3
    coarse, rows = Coarse((2, *shape), transform, "cpu"), torch.arange(400)
    seen = coarse.reader(lambda rows: images[rows], 5)(rows)
    changed = seen.ne(images).flatten(1).any(1)
    assert 150 < changed.sum() < 250
    spectra = analyse(seen[changed].double().numpy(), transform, len(shape)).reshape(int(changed.sum()), -1)
    unit = np.sqrt(np.prod(shape))
    steps = np.array([least_step(np.abs(one)) for one in spectra])
    assert unit / 32 * 0.99 < steps.min() < unit / 20
    assert unit / 4 * 1.01 > np.median(steps) > unit / 16
    part = coarse.reader(lambda rows: images[rows], 5)(rows[100:130])
    assert torch.equal(part, seen[100:130])
    other = coarse.reader(lambda rows: images[rows], 6)(rows)
    assert other.ne(images).flatten(1).any(1).ne(changed).sum() > 100


def least_step(values):
    """The smallest nonzero of some multiples of an unknown step."""
    return values[values > 1e-3].min()


def test_a_teacher_that_learns_from_coarse_images_recognises_them(digits):
    rest, held = digits.split_off(0.3)
    config = CONFIG.replace(teacher_steps=600, teacher_width=16)
    of_originals, of_both = (train_teacher(rest, config.replace(teacher_labels=one)) for one in ("originals", "both"))
    coded = decode(encode(held.normalized, held.labels, step=3.0, mask="low", k=64, classes=held.classes)).numpy()
    before, after = ((one.labels(coded).argmax(1) == held.labels).mean() for one in (of_originals, of_both))
    assert after > before + 0.03
    assert of_both.accuracy > of_originals.accuracy - 0.05
