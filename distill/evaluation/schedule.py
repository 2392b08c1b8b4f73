"""The steps by which a protocol trains a network: which images, and at which learning rate."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.networks.training import share_of_rate
from fredfmt.distill.runtime.randomness import generator


def steps_of(config: EvaluationConfig, count: int) -> int:
    """The optimizer steps of a network that is trained on ``count`` images."""
    return config.steps if config.protocol == "steps" else config.epochs * -(-count // config.batch)


def schedule(count: int, config: EvaluationConfig, seed: int) -> Iterator[tuple[Tensor, float]]:
    """For each step the indices of its images, (batch,) int64 on the CPU, and the factor of its learning rate."""
    return _published(count, config, seed) if config.protocol == "paper" else _steps(count, config, seed)


def _steps(count: int, config: EvaluationConfig, seed: int) -> Iterator[tuple[Tensor, float]]:
    """The factor is `share_of_rate`."""
    batches = _batches(count, config.batch, seed)
    for step in range(config.steps):
        yield next(batches), share_of_rate(step, config.steps)


def _published(count: int, config: EvaluationConfig, seed: int) -> Iterator[tuple[Tensor, float]]:
    """The factor is 1, and 0.1 after half of the epochs."""
    for epoch in range(config.epochs):
        for rows in torch.split(_order(count, seed, epoch), config.batch):
            yield rows, 1.0 if epoch < config.epochs // 2 + 1 else 0.1


def _batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Indices on the CPU, (size,) int64, without end: all images in one random order after another."""
    epoch, left = 0, torch.empty(0, dtype=torch.int64, device="cpu")
    while True:
        while len(left) < size:
            left = torch.cat([left, _order(count, seed, epoch)])
            epoch += 1
        yield left[:size]
        left = left[size:]


def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, "evaluation order", epoch), device="cpu")
