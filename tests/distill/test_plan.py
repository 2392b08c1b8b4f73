import pytest

from fredfmt import ArgumentError, encode
from fredfmt.data.coding import largest_count
from fredfmt.distill import DistillConfig, NetworkConfig, distill, plan
from fredfmt.errors import BudgetError
from fredfmt.storage.files import packed_size


def test_choices_fit_and_one_instance_more_would_not(digits):
    choices = plan(digits, max_bytes=5000, ks=(16, 32, 64), steps=(None, 0.5))
    assert {(choice.k, choice.step) for choice in choices} == {(k, step) for k in (16, 32, 64) for step in (None, 0.5)}
    for choice in choices:
        assert choice.bytes <= 5000
        assert choice.ipc == choice.instances_per_class * choice.k / 64
    errors = {(choice.k, choice.step): choice.rmse for choice in choices}
    assert errors[16, None] > errors[32, None] > errors[64, None] == pytest.approx(0, abs=1e-6)
    best = max(choices, key=lambda choice: choice.instances_per_class)
    at, more = (
        packed_size(encode(few.normalized, few.labels, k=best.k, step=best.step, normalization=few.normalization))
        for few in (digits.sample(best.instances_per_class + extra, seed=0) for extra in (0, 1))
    )
    assert best.bytes + more - at > 5000


def test_a_budget_in_images(digits):
    (choice,) = plan(digits, ipc=1.5, ks=(32,), steps=(1.0,))
    assert (choice.k, choice.instances_per_class, choice.ipc) == (32, 3, 1.5)


def test_a_budget_of_less_than_one_image_holds_a_few_frequencies(digits):
    choices = plan(digits, ipc=0.5, steps=(1.0,))
    assert choices
    assert {choice.instances_per_class * choice.k for choice in choices} <= set(range(1, 33))
    with pytest.raises(BudgetError, match=r"too small for one instance per class.*ipc=0\.5"):
        plan(digits, ipc=0.5, ks=(33, 64))


def test_classes_without_variance_get_the_lowest_frequencies(digits):
    single = digits.sample(1)
    assert plan(single, max_bytes=3000, ks=(16,)) == plan(single, max_bytes=3000, ks=(16,), mask="low")
    with pytest.raises(ArgumentError, match="explained variance is undefined"):
        plan(single, max_bytes=3000, ks=(16,), mask="evr")


def test_a_budget_that_nothing_fits(digits):
    with pytest.raises(ArgumentError, match=r"too small for one instance per class.*1,000 bytes"):
        plan(digits, max_bytes=1000)


def test_a_plan_needs_one_budget(digits):
    for budgets in ({}, {"ipc": 1, "max_bytes": 9000}):
        with pytest.raises(ArgumentError, match="one budget"):
            plan(digits, **budgets)


@pytest.mark.parametrize("limit", range(9))
def test_largest_count(limit):
    asked = []
    assert largest_count(lambda count: asked.append(count) or count <= limit, 6) == min(limit, 6)
    assert max(asked) <= 6


@pytest.mark.parametrize("max_bytes", [2400, 3000])
def test_a_distilled_file_meets_its_bytes_from_below(digits, max_bytes):
    config = DistillConfig(
        objective="dm", ipc=1, k=32, max_bytes=max_bytes, iterations=2, batch_real=4, network=NetworkConfig(width=8)
    )
    assert 0.99 * max_bytes <= packed_size(distill(digits, config)) <= max_bytes


@pytest.mark.parametrize("step", [None, 1.0])
def test_the_predicted_bytes_are_those_of_the_file_at_the_start(digits, step):
    config = DistillConfig(ipc=1, k=32, step=step, iterations=1, batch_real=4, lr=1e-9, network=NetworkConfig(width=8))
    (choice,) = plan(digits, ipc=1, ks=(32,), steps=(step,))
    more = packed_size(distill(digits, config)) - choice.bytes
    assert 0 <= more <= 150  # settings that are not the defaults
