"""A distillation on the device learns what the same one learns on the CPU, and so do networks that are trained."""

import numpy as np
import pytest
import torch

from fredfmt import encode, open_source
from fredfmt.distill import (
    DistillConfig,
    EvaluationConfig,
    ExpertConfig,
    NetworkConfig,
    distill,
    evaluate,
    own_start,
    train_experts,
)
from fredfmt.distill.augment import OPERATIONS, Augmentation
from fredfmt.distill.networks import NETWORKS, make_network

SMALL = {"width": 4, "depth": 2}
CHANGES = {
    "dm": {"objective": "dm"},
    "dm, rounded": {
        "objective": "dm", "quantize_in_loop": True, "step": 0.01, "rate": 1e-3, "optimizer": "sgd", "lr": 1.0
    },
    "dc": {"objective": "dc", "outer_loop": 2},
    "dsa": {"objective": "dsa", "network": {**SMALL, "norm": "batch"}},
    "frepo": {"objective": "frepo", "pool": 2, "pool_age": 2, "learn_labels": True},
    "unroll": {"objective": "unroll", "pool": 2, "pool_age": 4, "syn_steps": 2, "learn_labels": True},
}  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return open_source("digits", classes=["3", "5", "8"]).sample(9)


def assert_same(there, here):
    """To a hundredth: a GPU may convolve in TF32."""
    assert np.linalg.norm(there - here) <= 0.01 * np.linalg.norm(here)


@pytest.mark.parametrize("change", CHANGES)
def test_objectives(device, digits, change):
    common = {"ipc": 0.5, "k": 11, "step": None, "iterations": 3, "batch_real": 5, "network": SMALL, "lr": 0.05}
    config = DistillConfig(**common | CHANGES[change])
    there, here = (distill(digits, config, device=where) for where in (device, "cpu"))
    start = own_start(here, digits).spectra()
    assert_same(there.spectra() - start, here.spectra() - start)


def test_trajectory_matching(device, digits, tmp_path):
    experts = ExpertConfig(epochs=2, network=NetworkConfig(**SMALL), batch=7)
    made = train_experts(digits, tmp_path / "there", experts, count=1, device=device)
    wanted = train_experts(digits, tmp_path / "here", experts, count=1)
    went = wanted.parameters(0, 2) - wanted.parameters(0, 0)
    assert_same(made.parameters(0, 2) - wanted.parameters(0, 0), went)
    config = DistillConfig(
        objective="tm", experts=str(tmp_path / "here"), ipc=0.5, k=11, step=None, iterations=2, network=SMALL,
        max_start_epoch=1, syn_steps=3, batch_syn=6,
    )  # fmt: skip
    there, here = (distill(digits, config, device=where) for where in (device, "cpu"))
    assert np.linalg.norm(there.coefficients - here.coefficients) <= 1e-3 * np.linalg.norm(here.coefficients)
    assert there.metadata.recipe["lr"] == pytest.approx(here.metadata.recipe["lr"], rel=1e-3)


def test_a_run_is_resumed_on_the_device(device, digits, tmp_path):
    config = DistillConfig(
        objective="frepo", pool=2, ipc=0.5, k=11, step=None, iterations=4, batch_real=5, network=SMALL
    )
    whole = distill(digits, config, device=device)
    path = tmp_path / "run.ckpt"
    distill(digits, config.replace(iterations=2), device=device, checkpoint=path)
    resumed = distill(digits, config, device=device, checkpoint=path)
    np.testing.assert_allclose(resumed.coefficients, whole.coefficients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("count", [1, 6])
def test_augmentation(device, operation, count):
    images = torch.rand(6, 3, 13, 17, generator=torch.Generator().manual_seed(0))
    augment = Augmentation(operation, torch.rand(count, 4, generator=torch.Generator().manual_seed(1)))
    made = augment(images.to(device))
    assert made.device.type == device.type
    torch.testing.assert_close(made.cpu(), augment(images), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks(device, name):
    def scores_of(where):
        network = make_network(
            NetworkConfig(name=name), channels=3, spatial_shape=(32, 32), classes=4, device=where,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(where)
        return network(images)

    there = scores_of(device)
    assert there.device.type == device.type
    torch.testing.assert_close(there.detach().cpu(), scores_of("cpu").detach(), rtol=0, atol=2e-2)


def test_evaluation(device, digits):
    test = open_source("digits", split="test", classes=["3", "5", "8"])
    data = encode(digits.normalized, digits.labels, k=20, normalization=digits.normalization, classes=digits.classes)
    for protocol in ({"steps": 30}, {"protocol": "paper", "epochs": 12}):
        config = EvaluationConfig(seeds=2, network=NetworkConfig(width=8, depth=2), augmentation="none", **protocol)
        there, here = (evaluate(data, test, config, device=where).accuracies for where in (device, "cpu"))
        assert there == pytest.approx(here, abs=0.05)
