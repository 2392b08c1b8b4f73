"""A file beside its baselines: data and the source they came from in, a table of accuracies and bytes out."""

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
from fredfmt.distill.evaluation.protocol import check_alike, evaluate_sets
from fredfmt.distill.evaluation.results import Evaluation
from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig
from fredfmt.distill.evaluation.teacher import train_teacher
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.data import FreDData
from fredfmt.model.typed import thawed
from fredfmt.storage.files import packed_size
from fredfmt.storage.ledger import without_results

TrainingSet: TypeAlias = FreDData | Source
Named: TypeAlias = tuple[str, str, Callable[[int], TrainingSet]]
"""The name of a row, what it is, and the set that the network of a seed is trained on."""
Baseline: TypeAlias = Callable[[FreDData, Source, torch.device | str], Named]
"""From the data, the real train split and where to train a teacher to what a row is about."""


@dataclass(frozen=True)
class Row:
    """One set of images: what it is, what it takes, what it is good for.

    >>> result = Evaluation(EvaluationConfig(), "digits test", 500, (0.75, 0.85))
    >>> row = Row("file", "the file", bytes=4000, instances_per_class=10.0, evaluation=result, bits_per_class=3200.0)
    >>> row.to_json()["result"]["accuracy"]
    0.8
    """

    name: str
    description: str
    bytes: int
    """Of the ``.fred`` file; for images that are not coded, of their float32 pixels and bytes of labels."""
    instances_per_class: float
    evaluation: Evaluation
    bits_per_class: float = 0.0
    """``8 * bytes`` over the number of classes."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
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
    words = "random real images in the layout of the file: same instances and masks, and the same step or bytes"
    return "own start", words, lambda seed: start


def _coded(data: FreDData, train: Source, device: torch.device | str) -> Named:
    size, transform = packed_size(without_results(data)), data.metadata.transform
    description = f"random real images coded into at most {size:,} bytes, other ones for each seed"
    return "coded images", description, lambda seed: coded_images(train, size, seed=seed, transform=transform)


def _coded_soft(data: FreDData, train: Source, device: torch.device | str) -> Named:
    size, transform = packed_size(without_results(data)), data.metadata.transform
    made_with = DistillConfig.from_json(thawed(data.metadata.distillation))
    config = made_with if made_with.teacher.teacher_steps else made_with.replace(teacher_steps=_TEACHER_STEPS)
    description = f"the same with a teacher's soft labels, in at most {size:,} bytes"

    def make(seed: int) -> FreDData:
        teacher = train_teacher(train, config, device=device)
        return coded_images(train, size, seed=seed, transform=transform, teacher=teacher)

    return "coded, soft labels", description, make


def _equal_instances(data: FreDData, train: Source, device: torch.device | str) -> Named:
    description = "as many random real images, whole and uncoded, other ones for each seed"
    return "equal instances", description, lambda seed: equal_instances(data, train, seed=seed)


def _equal_budget(data: FreDData, train: Source, device: torch.device | str) -> Named:
    description = (
        "random real images, whole and uncoded, of as many numbers as the file stores, other ones for each seed"
    )
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
"""To which ``coded-soft`` comes for data with soft labels."""
_TEACHER_STEPS = 1200
"""Of the teacher of the baseline, where the data had none."""


def default_baselines(data: FreDData) -> tuple[str, ...]:
    """`DEFAULT_BASELINES`, and ``coded-soft`` where labels are soft."""
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
    """Evaluate ``data`` and its baselines by one protocol: by default its own start and coded images of the same bytes,
    where its labels are soft also such with a teacher's labels.

    Networks of the same seed have the same first parameters in every row. The spread of the file, its start and the
    whole set is over networks; the other images are drawn again for every seed, so that their spread is over draws too.
    All come from ``train``, the split that data were made from; where they are whitened, so is everything else, by its
    statistics. ``test`` is tested on and nothing else. ``corruptions`` and ``network`` as in
    `fredfmt.distill.evaluate`; ``keep`` is given the first network that is trained on ``data``.

    Raises `ArgumentError` for a name that is not in `BASELINES`, and before anything is trained for a baseline that
    cannot be, or a ``train`` with other images than whitened data were whitened by. Where it is not the source that the
    data name, and nothing shows that it has the same images, a warning is logged.

    >>> from fredfmt import encode, open_source
    >>> from fredfmt.distill import EvaluationConfig
    >>> train, test = open_source("digits"), open_source("digits", split="test")
    >>> few = train.sample(2)
    >>> data = encode(few.normalized, few.labels, k=16, classes=few.classes, normalization=few.normalization)
    >>> config = EvaluationConfig(steps=2, seeds=1, network={"width": 4}, augmentation="none")
    >>> [row.name for row in compare(data, train, test, config, baselines=["own-start"])]
    ['file', 'own start']
    """
    config = config or EvaluationConfig()
    baselines = default_baselines(data) if baselines is None else baselines
    if unknown := [name for name in baselines if name not in BASELINES]:
        raise ArgumentError("no such baseline", expected=", ".join(BASELINES), found=quoted(unknown[0]))
    for images in (train, test):
        check_alike(data, images)
    whitening = None
    if data.metadata.whitening is not None:
        whitening = ZCA.of(data.metadata, train)
        train = train.whitened(whitening)
    else:
        warn_if_other_source(data, train)
    sets: list[Named] = [("file", "the file", lambda seed: data)]
    sets += [BASELINES[name](data, train, device) for name in dict.fromkeys(baselines)]
    first = [make(0) for _, _, make in sets]
    rows: list[Row] = []
    for (name, description, make), made in zip(sets, first, strict=True):
        report = partial(_report, progress, name, len(rows), len(sets))
        evaluation = evaluate_sets(
            lambda seed, make=make, made=made: make(seed) if seed else made,  # type: ignore[misc]
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
