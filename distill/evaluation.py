"""What a data set is good for: data in, the accuracy of fresh networks trained on it out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt.decoder import decode
from fredfmt.distill.augment import draw_augmentation, operations
from fredfmt.distill.config import EvaluationConfig
from fredfmt.distill.networks import make_network
from fredfmt.distill.progress import Callback, Progress
from fredfmt.distill.randomness import generator
from fredfmt.errors import ArgumentError
from fredfmt.metadata import Normalization
from fredfmt.model import FreDData
from fredfmt.sources import Source
from fredfmt.sources.views import Normalized

_MOMENTUM, _WEIGHT_DECAY = 0.9, 5e-4
_TEST_BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """Accuracies on real test images, one a trained network."""

    config: EvaluationConfig
    source: str
    """The test images: name and split."""
    images: int
    """Their number."""
    accuracies: tuple[float, ...]
    """Shares of correct answers, 0..1, by seed."""

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return statistics.fmean(self.accuracies)

    @property
    def std(self) -> float:
        """Standard deviation over the networks (of a sample, ``n - 1``); NaN for a single one."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else math.nan

    @property
    def standard_error(self) -> float:
        """Of the mean."""
        return self.std / math.sqrt(len(self.accuracies))

    def to_json(self) -> dict[str, Any]:
        """For ``Metadata.results`` or ``--json``: figures in 0..1 and the whole protocol."""
        figures = {"accuracy": self.mean, "std": self.std, "standard_error": self.standard_error}
        return {
            **{name: round(value, 6) if math.isfinite(value) else None for name, value in figures.items()},
            "accuracies": [round(value, 6) for value in self.accuracies],
            "test": self.source,
            "images": self.images,
            **self.config.to_json(),
        }


def evaluate(
    data: FreDData,
    test: Source,
    config: EvaluationConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
) -> Evaluation:
    """Train networks on ``data`` and nothing else, and test them on the real images of ``test``.

    Networks differ by their seed: first parameters, order and augmentation; ``data`` stay the same, so the spread says
    nothing about how another distillation would have come out. Test images are normalised as ``data`` are.

    Raises `ArgumentError` if classes or shapes of the two differ.
    """
    config = config or EvaluationConfig()
    accuracies = []
    for seed in range(config.seeds):
        if progress is not None:
            progress(Progress("evaluating", seed, config.seeds))
        accuracies.append(accuracy(data, test, config, seed=seed, device=device))
    return Evaluation(config, f"{test.name} {test.split}", len(test), tuple(accuracies))


def accuracy(
    data: FreDData,
    test: Source,
    config: EvaluationConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> float:
    """The accuracy, 0..1, of one network; see `evaluate`."""
    meta = data.metadata
    for what, mine, theirs in (
        ("classes", meta.classes, test.classes),
        ("channels", meta.channels, test.channels),
        ("spatial shape", meta.spatial_shape, test.spatial_shape),
    ):
        if mine != theirs:
            raise ArgumentError(f"the test images have other {what} than the data", expected=mine, found=theirs)
    network = make_network(
        config.network,
        channels=meta.channels,
        spatial_shape=meta.spatial_shape,
        classes=len(meta.classes),
        generator=generator(seed, "evaluation network"),
        device=device,
    )
    images = decode(data, device=device)
    labels = torch.tensor(data.labels, dtype=torch.float32 if data.soft else torch.int64, device=device)
    train(network, images, labels, config, seed=seed)
    return _share_correct(network, test, meta.normalization, device)


def train(network: nn.Module, images: Tensor, labels: Tensor, config: EvaluationConfig, *, seed: int) -> None:
    """Train ``network`` in place by the protocol of ``config``.

    (N, C, H, W) images and (N,) int64 or (N, class) float32 labels are on the network's device.
    """
    paper = config.protocol == "paper"
    optimizer = torch.optim.SGD(
        network.parameters(), lr=config.lr, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY, nesterov=not paper
    )
    names = operations(config.augmentation)
    network.train()
    for step, (rows, factor) in enumerate((_epochs if paper else _steps)(len(images), config, seed)):
        augmentation = draw_augmentation(names, generator(seed, "evaluation augmentation", step), images=len(rows))
        rows = rows.to(images.device, non_blocking=True)
        loss = F.cross_entropy(network(augmentation(images.index_select(0, rows))), labels.index_select(0, rows))
        for group in optimizer.param_groups:
            group["lr"] = config.lr * factor
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _steps(count: int, config: EvaluationConfig, seed: int) -> Iterator[tuple[Tensor, float]]:
    """Indices of each step and the factor of its learning rate: up linearly over a tenth of the steps, then down to
    zero."""
    peak = max(1, config.steps // 10)
    batches = _batches(count, config.batch, seed)
    for step in range(config.steps):
        yield next(batches), min((step + 1) / peak, (config.steps - step) / max(1, config.steps - peak))


def _epochs(count: int, config: EvaluationConfig, seed: int) -> Iterator[tuple[Tensor, float]]:
    """Indices of each step and the factor of its learning rate: 1, and a tenth after half of the epochs."""
    for epoch in range(config.epochs):
        for rows in torch.split(_order(count, seed, epoch), config.batch):
            yield rows, 1.0 if epoch < config.epochs // 2 + 1 else 0.1


def _batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Indices on the CPU, (size,) int64, for ever: all images in one random order after another."""
    epoch, left = 0, torch.empty(0, dtype=torch.int64, device="cpu")
    while True:
        while len(left) < size:
            left = torch.cat([left, _order(count, seed, epoch)])
            epoch += 1
        yield left[:size]
        left = left[size:]


def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, "evaluation order", epoch), device="cpu")


def _share_correct(
    network: nn.Module, test: Source, normalization: Normalization | None, device: torch.device | str
) -> float:
    unit = Normalization((0.0,) * test.channels, (1.0,) * test.channels)
    images = Normalized(test.images, normalization or unit)
    labels = torch.from_numpy(test.labels)
    correct = []
    network.eval()
    with torch.no_grad():
        for first in range(0, len(test), _TEST_BATCH):
            rows = slice(first, min(first + _TEST_BATCH, len(test)))
            answers = network(torch.from_numpy(images[rows]).to(device)).argmax(1)
            correct.append(answers.eq(labels[rows].to(device)).sum())
    return int(torch.stack(correct).sum()) / len(test)
