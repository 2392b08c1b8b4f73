"""The weight of the bits: steered towards a number of bytes, and what its gradient is of."""

import math

import pytest
import torch

from fredfmt.distill import DistillConfig, distill
from fredfmt.distill.run.rate import Rate
from fredfmt.distill.settings.layout import BudgetSettings
from fredfmt.storage.files import packed_size

STEERED = BudgetSettings(rate="auto", max_bytes=10_000)


def test_too_large_a_file_makes_bits_dearer_and_too_small_a_one_cheaper():
    rate = Rate(STEERED)
    weights = [rate.weight]
    for size in (12_000, 12_000, 8_000, 8_000):
        rate.steer(size)
        weights.append(rate.weight)
    assert weights[0] < weights[1] < weights[2] > weights[3] > weights[4] > 0


def test_a_size_that_falls_fast_is_slowed_before_it_arrives():
    rate = Rate(STEERED)
    rate.steer(13_000)
    before = rate.weight
    rate.steer(11_000)
    assert rate.weight < before


def test_steering_finds_the_weight_of_a_lagging_size():
    """A file whose bytes follow the weight as slowly as those of a running mean."""
    rate, size = Rate(STEERED), 14_000.0
    for _ in range(60):
        rate.steer(round(size))
        size += 0.2 * (14_000 * rate.weight**-0.15 - size)
    assert size == pytest.approx(10_000, rel=0.02)


def test_the_gradient_is_that_of_the_mean_of_the_estimated_bits():
    rate = Rate(BudgetSettings(rate=0.7, step=0.5))
    values = torch.tensor([[0.3, -2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (0.7 * (1 + values.abs() / 0.5).log2().mean()).backward()
    wanted, values.grad = values.grad, torch.zeros_like(values)
    rate.add_gradient(values)
    assert torch.allclose(values.grad[0, :2], wanted[0, :2])
    assert values.grad[0, 2] == 0


def test_the_gradient_of_several_blocks_is_that_of_one(monkeypatch):
    rate, values = Rate(BudgetSettings(rate=0.7, step=0.5)), torch.randn(7, 3, 4)
    gradients = []
    for size in (4 << 20, 200):
        monkeypatch.setattr("fredfmt.model.blocks.BYTES", size)
        values.grad = torch.ones_like(values)
        rate.add_gradient(values)
        gradients.append(values.grad)
    assert torch.equal(*gradients)
    assert bool((gradients[0] != 1).all())


def test_without_a_weight_nothing_is_added():
    values = torch.ones(3, requires_grad=True)
    values.grad = torch.zeros(3)
    Rate(BudgetSettings()).add_gradient(values)
    assert not values.grad.any()


@pytest.mark.parametrize("share", [0.85, 0.95])
def test_a_steered_run_ends_near_its_bytes_and_its_step(digits, share):
    config = DistillConfig(
        **{"ipc": 6, "k": 48, "mask": "low", "lr": 0.03, "network": {"width": 8}, "batch_real": 4},
        **{"step": 1.5, "quantize_in_loop": True, "augmentation": "none", "iterations": 0},
    )
    max_bytes = round(share * packed_size(distill(digits, config)))
    data = distill(digits, config.replace(iterations=320, rate="auto", max_bytes=max_bytes))
    assert 0.97 * max_bytes < packed_size(data) <= max_bytes
    assert math.isclose(data.step, 1.5, rel_tol=0.3)
