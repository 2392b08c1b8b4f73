"""DD-Ranking's scores, which measure the quality of the images without soft labels and augmentation.

After Li et al. (DD-Ranking, 2025): an accuracy also depends on soft labels and augmentation. The label-robust score
uses hard labels, and a comparison with random images that have the same kind of labels; the augmentation-robust score
also uses training without augmentation. Accuracies are shares in 0..1 in the exponentials.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from fredfmt.codec.decoding import decode
from fredfmt.codec.devices import usable_device
from fredfmt.codec.unit import from_unit
from fredfmt.data.sources import Source
from fredfmt.distill.evaluation.baselines import coded_images, equal_instances, warn_if_other_source
from fredfmt.distill.evaluation.protocol import check_compatible, in_space, new_network, shares_correct, tested_together
from fredfmt.distill.evaluation.protocol import train as train_network
from fredfmt.distill.evaluation.results import rounded, standard_deviation
from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.errors import ArgumentError
from fredfmt.model.arguments import share_of
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size
from fredfmt.storage.ledger import without_results


def label_robust_score(recovery: float, improvement: float, *, weight: float = 0.5) -> float:
    """LRS: ``(e^a - e^-1) / (e - e^-1)`` with ``a = w improvement - (1 - w) recovery``; 0..1 if both are shares.

    ``recovery`` is the accuracy of the whole real set minus that of the images with hard labels, ``improvement`` the
    accuracy of the images minus that of the same number of random real ones that are used in the same way.
    """
    weight = share_of("weight", weight)
    return _scaled(weight * improvement - (1 - weight) * recovery)


def augmentation_robust_score(augmented: float, plain: float, *, weight: float = 0.5) -> float:
    """ARS: as LRS, with ``a = weight augmented + (1 - weight) plain``, the improvements over random images with and
    without augmentation."""
    weight = share_of("weight", weight)
    return _scaled(weight * augmented + (1 - weight) * plain)


def _scaled(exponent: float) -> float:
    return (math.exp(exponent) - math.exp(-1)) / (math.e - math.exp(-1))


@dataclass(frozen=True)
class Accuracies:
    """Shares of correct predictions of networks of one seed, each trained on a different set."""

    whole: float
    """The whole real train split with its hard labels."""
    own: float
    """The data unchanged."""
    hard: float
    """The data's images with hard labels."""
    random: float
    """The same number of random real images per class; if the data have soft labels, labelled by the network of
    ``whole``."""
    coded: float
    """Random real images coded in the bytes of the data, with hard labels."""
    own_plain: float
    """``own`` without augmentation."""
    random_plain: float
    """``random`` without augmentation."""


@dataclass(frozen=True)
class Scores:
    """Scores of each seed from its accuracies.

    >>> one = Accuracies(
    ...     whole=0.9, own=0.7, hard=0.6, random=0.5, coded=0.6, own_plain=0.6, random_plain=0.5
    ... )
    >>> scores = Scores(EvaluationConfig(), weight=0.5, accuracies=(one,), bytes=4000)
    >>> [round(score, 3) for score in (*scores.improvement_over_random, *scores.lrs)]
    [0.2, 0.248]
    """

    config: EvaluationConfig
    weight: float
    accuracies: tuple[Accuracies, ...]
    bytes: int
    """Bytes of the ``.fred`` file, and the limit for coded images."""

    @property
    def hard_label_recovery(self) -> tuple[float, ...]:
        """HLR: the accuracy of the whole real set minus that of the images with hard labels; lower is better."""
        return tuple(one.whole - one.hard for one in self.accuracies)

    @property
    def improvement_over_random(self) -> tuple[float, ...]:
        """IOR: the gain over the same number of random real images."""
        return tuple(one.own - one.random for one in self.accuracies)

    @property
    def bit_matched_improvement(self) -> tuple[float, ...]:
        """The gain over random real images that are coded in the bytes of the file."""
        return tuple(one.own - one.coded for one in self.accuracies)

    @property
    def lrs(self) -> tuple[float, ...]:
        """Label-robust scores."""
        pairs = zip(self.hard_label_recovery, self.improvement_over_random, strict=True)
        return tuple(label_robust_score(*pair, weight=self.weight) for pair in pairs)

    @property
    def ars(self) -> tuple[float, ...]:
        """Augmentation-robust scores."""
        return tuple(
            augmentation_robust_score(one.own - one.random, one.own_plain - one.random_plain, weight=self.weight)
            for one in self.accuracies
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values: mean, spread and values by seed of each figure."""
        names = ("lrs", "ars", "hard_label_recovery", "improvement_over_random", "bit_matched_improvement")
        figures = {name: _summary(getattr(self, name)) for name in names}
        each = {
            entry.name: _summary([getattr(one, entry.name) for one in self.accuracies]) for entry in fields(Accuracies)
        }
        return {
            **figures,
            "accuracies": each,
            "weight": self.weight,
            "bytes": self.bytes,
            "protocol": self.config.to_json(),
        }


def score(
    data: FreDData,
    train: Source,
    test: Source,
    config: EvaluationConfig | None = None,
    *,
    weight: float = 0.5,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
) -> Scores:
    """Train up to seven networks per seed by one protocol, by default that of `EvaluationConfig.for_data`, each on a
    different set, and compute scores of ``data``.

    Networks of a seed have the same initial parameters; random images are drawn again for every seed. The whole train
    split is in memory as float32. If the data name another source than ``train``, a warning is logged.

    Raises `ArgumentError` if classes or shapes differ, or images are whitened.

    >>> from fredfmt import encode, open_source
    >>> from fredfmt.distill import EvaluationConfig
    >>> train, test = open_source("digits").sample(20), open_source("digits", split="test")
    >>> few = train.sample(8)
    >>> data = encode(few.normalized, few.labels, k=32, classes=few.classes, normalization=few.normalization)
    >>> config = EvaluationConfig(steps=2, seeds=1, network={"width": 4}, augmentation="flip")
    >>> sorted(score(data, train, test, config).to_json()["ars"])
    ['each', 'mean', 'std']
    """
    config = config or EvaluationConfig.for_data(data)
    if data.metadata.whitening is not None:
        raise ArgumentError("scores of whitened data are not supported", hint="Use evaluate")
    for source in (train, test):
        check_compatible(data, source)
    warn_if_other_source(data, train)
    scorer = _Scorer(data, train, test, config, usable_device(device))
    accuracies = []
    for number, seed in enumerate(config.networks):
        if progress is not None:
            progress(Progress("scoring", number, config.seeds))
        accuracies.append(scorer.accuracies(seed))
    return Scores(config, weight, tuple(accuracies), packed_size(without_results(data)))


class _Scorer:
    """Data and real images on a device, for the networks of every seed."""

    def __init__(
        self, data: FreDData, train: Source, test: Source, config: EvaluationConfig, device: torch.device
    ) -> None:
        self.data, self.train, self.config, self.device = data, train, config, device
        self.test = in_space(test, data.metadata.normalization)
        self.images = decode(data, device=device)
        self.hard = torch.from_numpy(data.hard_labels).to(device)
        self.labels = torch.tensor(data.labels, dtype=torch.float32, device=device) if data.soft else self.hard

    def accuracies(self, seed: int) -> Accuracies:
        """The accuracies for the scores of a seed."""
        plain = replace(self.config, augmentation="none")
        real, real_labels = self._real(self.train), torch.from_numpy(self.train.labels).to(self.device)
        teacher = self._network(real, real_labels, self.config, seed)
        del real
        drawn = self._real(equal_instances(self.data, self.train, seed=seed))
        drawn_labels = _probabilities(teacher, drawn) if self.data.soft else self.hard
        coded = coded_images(
            self.train, packed_size(without_results(self.data)), seed=seed, transform=self.data.metadata.transform
        )
        coded_pixels = self._renormalized(coded)
        coded_labels = torch.from_numpy(coded.hard_labels).to(self.device)

        def share(images: Tensor, labels: Tensor, config: EvaluationConfig) -> float:
            return self._share(self._network(images, labels, config, seed))

        own = share(self.images, self.labels, self.config)
        return Accuracies(
            whole=self._share(teacher),
            own=own,
            hard=share(self.images, self.hard, self.config) if self.data.soft else own,
            random=share(drawn, drawn_labels, self.config),
            coded=share(coded_pixels, coded_labels, self.config),
            own_plain=share(self.images, self.labels, plain),
            random_plain=share(drawn, drawn_labels, plain),
        )

    def _real(self, source: Source) -> Tensor:
        """All images of a source in the space of the data."""
        return torch.from_numpy(in_space(source, self.data.metadata.normalization).normalized[:]).to(self.device)

    def _renormalized(self, coded: FreDData) -> Tensor:
        """Images that are coded in the space of the source, converted to that of the data."""
        images = decode(coded, normalized=False, clip=False, device=self.device)
        return from_unit(images, self.data.metadata.normalization)

    def _network(self, images: Tensor, labels: Tensor, config: EvaluationConfig, seed: int) -> nn.Module:
        network = new_network(self.data.metadata, config, seed, self.device)
        train_network(network, images, labels, config, seed=seed)
        return network

    def _share(self, network: nn.Module) -> float:
        return shares_correct([network], self.test, self.device)[0]


def _probabilities(network: nn.Module, images: Tensor) -> Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(part).softmax(1) for part in torch.split(images, tested_together(images.shape[2:]))])


def _summary(values: Sequence[float]) -> dict[str, Any]:
    return {
        "mean": rounded(statistics.fmean(values)),
        "std": rounded(standard_deviation(values)),
        "each": list(map(rounded, values)),
    }
