"""Compares data with baselines: accuracies and bytes in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch

from fredfmt.data.sources import ZCA, Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.baselines import (
    coded_images,
    equal_budget,
    equal_instances,
    own_start,
    warn_if_other_source,
)
from fredfmt.distill.evaluation.protocol import check_compatible, evaluate_sets
from fredfmt.distill.evaluation.results import Evaluation
from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig
from fredfmt.distill.evaluation.teacher import train_teacher
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import several_of
from fredfmt.model.data import FreDData
from fredfmt.model.typed import thawed
from fredfmt.storage.files import packed_size
from fredfmt.storage.ledger import without_results

TrainingSet: TypeAlias = FreDData | Source
Named: TypeAlias = tuple[str, str, Callable[[int], TrainingSet]]
"""The name and the description of a row, and a function from a seed to the training set."""
Baseline: TypeAlias = Callable[[FreDData, Source, torch.device | str], Named]
"""From the data, the real train split and a device for training a teacher, to a row."""


@dataclass(frozen=True)
class Row:
    """One training set with its size and its result.

    >>> result = Evaluation(EvaluationConfig(), "digits test", 500, (0.75, 0.85))
    >>> row = Row("file", "the file", bytes=4000, instances_per_class=10.0, evaluation=result, bits_per_class=3200.0)
    >>> row.to_json()["result"]["accuracy"]
    0.8
    """

    name: str
    description: str
    bytes: int
    """Bytes of the ``.fred`` file; for images that are not coded, of float32 pixels and integer labels."""
    instances_per_class: float
    evaluation: Evaluation
    bits_per_class: float = 0.0
    """``8 * bytes`` divided by the number of classes."""

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {
            "name": self.name,
            "description": self.description,
            "bytes": self.bytes,
            "bits_per_class": round(self.bits_per_class, 1),
            "instances_per_class": self.instances_per_class,
            "result": self.evaluation.to_json(),
        }


def _own_start(data: FreDData, train: Source, device: torch.device | str) -> Named:
    start = own_start(data, train, device=device)
    words = "random real images in the layout of the file: same number of instances, masks, and step or bytes"
    return "own start", words, lambda seed: start


def _coded(data: FreDData, train: Source, device: torch.device | str) -> Named:
    size, transform = packed_size(without_results(data)), data.metadata.transform
    description = f"random real images, coded in at most {size:,} bytes, drawn again for each seed"
    return "coded images", description, lambda seed: coded_images(train, size, seed=seed, transform=transform)


def _coded_soft(data: FreDData, train: Source, device: torch.device | str) -> Named:
    size, transform = packed_size(without_results(data)), data.metadata.transform
    made_with = DistillConfig.from_json(thawed(data.metadata.distillation))
    config = made_with if made_with.teacher.teacher_steps else made_with.replace(teacher_steps=_TEACHER_STEPS)
    description = f"the same with soft labels of a teacher, in at most {size:,} bytes"

    def make(seed: int) -> FreDData:
        teacher = train_teacher(train, config, device=device)
        return coded_images(train, size, seed=seed, transform=transform, teacher=teacher)

    return "coded, soft labels", description, make


def _equal_instances(data: FreDData, train: Source, device: torch.device | str) -> Named:
    description = "the same number of random real images, not coded, drawn again for each seed"
    return "equal instances", description, lambda seed: equal_instances(data, train, seed=seed)


def _equal_budget(data: FreDData, train: Source, device: torch.device | str) -> Named:
    description = "random real images, not coded, with as many values as the file stores, drawn again for each seed"
    return "equal budget", description, lambda seed: equal_budget(data, train, seed=seed)


def _whole(data: FreDData, train: Source, device: torch.device | str) -> Named:
    return "whole set", f"all {len(train):,} real images of the train split", lambda seed: train


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "own-start": _own_start,
        "coded": _coded,
        "coded-soft": _coded_soft,
        "equal-instances": _equal_instances,
        "equal-budget": _equal_budget,
        "whole": _whole,
    }
)
DEFAULT_BASELINES = ("own-start", "coded")
"""The default baselines; for data with soft labels also ``coded-soft``."""
_TEACHER_STEPS = 1200
"""The steps of the teacher of a baseline, if the data had no teacher."""


def default_baselines(data: FreDData) -> tuple[str, ...]:
    """`DEFAULT_BASELINES`, and ``coded-soft`` if labels are soft."""
    return (*DEFAULT_BASELINES, "coded-soft") if data.soft else DEFAULT_BASELINES


def compare(
    data: FreDData,
    train: Source,
    test: Source,
    config: EvaluationConfig | None = None,
    *,
    baselines: Sequence[str] | None = None,
    corruptions: CorruptionConfig | None = None,
    network: NetworkFactory | None = None,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
    keep: Callable[[torch.nn.Module], None] | None = None,
) -> tuple[Row, ...]:
    """Evaluate ``data`` and baselines by the same protocol, by default that of `EvaluationConfig.for_data`.

    The default baselines are the own start and coded images in the same number of bytes; for data with soft labels,
    also coded images with soft labels of a teacher. Networks of the same seed have the same initial parameters in every
    row. The spread of the file, its start and the whole set is over networks; the images of other rows are drawn again
    for every seed, so their spread is also over draws. All images come from ``train``, the split from which the data
    were made; if the data are whitened, everything is whitened by its statistics. ``test`` is used only for testing.
    ``corruptions`` and ``network`` are as in `fredfmt.distill.evaluate`; ``keep`` is called with the first network that
    is trained on ``data``.

    Raises `ArgumentError` for a name that is not in `BASELINES`, and, before any training, for a baseline that is
    impossible, or if whitened data were whitened with other images than those of ``train``. If the data name another
    source, and it cannot be verified that the images are the same, a warning is logged.

    >>> from fredfmt import encode, open_source
    >>> from fredfmt.distill import EvaluationConfig
    >>> train, test = open_source("digits"), open_source("digits", split="test")
    >>> few = train.sample(2)
    >>> data = encode(few.normalized, few.labels, k=16, classes=few.classes, normalization=few.normalization)
    >>> config = EvaluationConfig(steps=2, seeds=1, network={"width": 4}, augmentation="none")
    >>> [row.name for row in compare(data, train, test, config, baselines=["own-start"])]
    ['file', 'own start']
    """
    config = config or EvaluationConfig.for_data(data)
    baselines = default_baselines(data) if baselines is None else several_of("baselines", baselines)
    if unknown := [name for name in baselines if not isinstance(name, str) or name not in BASELINES]:
        raise ArgumentError("no such baseline", expected=", ".join(BASELINES), found=quoted(unknown[0]))
    for images in (train, test):
        check_compatible(data, images)
    whitening = None
    if data.metadata.whitening is not None:
        whitening = ZCA.of(data.metadata, train)
        train = train.whitened(whitening)
    else:
        warn_if_other_source(data, train)
    sets: list[Named] = [("file", "the file", lambda seed: data)]
    sets += [BASELINES[name](data, train, device) for name in dict.fromkeys(baselines)]
    first = [make(config.first_seed) for _, _, make in sets]
    rows: list[Row] = []
    for (name, description, make), made in zip(sets, first, strict=True):
        report = partial(_report, progress, name, len(rows), len(sets))
        evaluation = evaluate_sets(
            lambda seed, make=make, made=made: made if seed == config.first_seed else make(seed),  # type: ignore[misc]
            test,
            config,
            corruptions=corruptions,
            network=network,
            whitening=whitening,
            device=device,
            report=report,
            keep=keep if name == "file" else None,
        )
        classes = len(test.classes)
        size = _size(made)
        rows.append(Row(name, description, size, len(made) / classes, evaluation, 8 * size / classes))
    return tuple(rows)


def _report(progress: Callback | None, name: str, row: int, rows: int, task: str, done: int, total: int) -> None:
    if progress is not None:
        progress(Progress(f"{task}, {name}", row * total + done, rows * total))


def _size(made: TrainingSet) -> int:
    if isinstance(made, FreDData):
        return packed_size(made)
    labels = np.min_scalar_type(len(made.classes) - 1).itemsize
    return len(made) * (4 * int(np.prod(made.images.shape[1:])) + labels)
