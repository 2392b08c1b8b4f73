"""Distillation and evaluation of volumes and of signals, end to end."""

import numpy as np
import pytest

from fredfmt import decode, load, save
from fredfmt.data.sources import Source
from fredfmt.distill import DistillConfig, EvaluationConfig, NetworkConfig, distill, evaluate
from fredfmt.model.parts import Normalization

NETWORK = NetworkConfig(width=8, depth=2)


def made(shape, split, count=90):
    """Balls and shells in three places, or what is left of them along fewer axes."""
    chance = np.random.default_rng(len(split))
    labels = np.arange(count) % 3
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    centres = (labels - 1)[:, None] * 0.5 + chance.normal(0, 0.1, (count, len(shape)))
    distance = np.sqrt(np.square(grid - centres.reshape(count, len(shape), *(1,) * len(shape))).sum(1))
    images = np.exp(-((distance / 0.4) ** 2)) + chance.uniform(0, 0.2, distance.shape)
    return Source(
        name="balls",
        split=split,
        images=(images[:, None] / 1.2).astype(np.float32),
        labels=labels,
        classes=("near", "middle", "far"),
        normalization=Normalization((0.2,), (0.25,)),
    )


@pytest.mark.parametrize(("shape", "objective"), [((8, 9, 11), "dm"), ((8, 9, 11), "dc"), ((40,), "dm")])
def test_volumes_and_signals(tmp_path, shape, objective):
    train, test = made(shape, "train"), made(shape, "test")
    config = DistillConfig(
        objective=objective,
        k=20,
        ipc=80 / np.prod(shape),
        iterations=12,
        batch_real=10,
        lr=0.1,
        network=NETWORK,
        augmentation="none",
    )
    save(distill(train, config), tmp_path / "balls.fred")
    data = load(tmp_path / "balls.fred")
    assert decode(data).shape[1:] == (1, *shape)
    result = evaluate(data, test, EvaluationConfig(steps=60, batch=16, network=NETWORK, augmentation="none", seeds=1))
    assert result.mean > 0.7
