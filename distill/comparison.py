"""A file beside its baselines: data and the source they came from in, a table of accuracies and bytes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from fredfmt.distill.baselines import coded_images, own_start
from fredfmt.distill.config import EvaluationConfig
from fredfmt.distill.evaluation import Evaluation, accuracy
from fredfmt.distill.progress import Callback, Progress
from fredfmt.model import FreDData
from fredfmt.sources import Source
from fredfmt.storage import packed_size


@dataclass(frozen=True)
class Row:
    """One set of images: what it is, what it takes, what it is good for."""

    name: str
    description: str
    bytes: int
    """Of the ``.fred`` file."""
    instances_per_class: float
    evaluation: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "description": self.description,
            "bytes": self.bytes,
            "instances_per_class": self.instances_per_class,
            "result": self.evaluation.to_json(),
        }


def compare(
    data: FreDData,
    train: Source,
    test: Source,
    config: EvaluationConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
) -> tuple[Row, ...]:
    """Evaluate ``data``, its own start and coded images of the same bytes by one protocol.

    Networks of the same seed have the same first parameters in every row. The spread of the first two rows is over
    networks; the coded images are drawn anew for every seed, so that their spread is over draws too.
    """
    config = config or EvaluationConfig()
    size = packed_size(data)
    start = own_start(data, train)
    sets: tuple[tuple[str, str, Callable[[int], FreDData]], ...] = (
        ("file", "the file", lambda seed: data),
        ("own start", "random real images in the file's layout: same instances, masks and step", lambda seed: start),
        (
            "coded images",
            f"random real images coded into at most {size:,} bytes, other ones for each seed",
            lambda seed: coded_images(train, size, seed=seed, transform=data.metadata.transform),
        ),
    )
    rows: list[Row] = []
    for name, description, make in sets:
        accuracies = []
        for seed in range(config.seeds):
            if progress is not None:
                progress(Progress(f"evaluating {name}", len(rows) * config.seeds + seed, len(sets) * config.seeds))
            made = make(seed)
            accuracies.append(accuracy(made, test, config, seed=seed, device=device))
        evaluation = Evaluation(config, f"{test.name} {test.split}", len(test), tuple(accuracies))
        per_class = len(made) / len(made.metadata.classes)
        rows.append(Row(name, description, packed_size(made), per_class, evaluation))
    return tuple(rows)
