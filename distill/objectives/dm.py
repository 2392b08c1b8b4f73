"""Distribution matching: real and synthetic images of a class should have the same mean features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.distill.networks import embedding
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import ClassBatchSettings, Config, RealBatchSettings, classes_at_once
from fredfmt.distill.objectives.parts import groups, remade, rows_of, summed


@dataclass(frozen=True)
class DMSettings(RealBatchSettings, ClassBatchSettings):
    """Settings of `DM`."""


class DM:
    """The squared distance between mean embeddings in a random network, summed over classes (Zhao and Bilen, Dataset
    Condensation with Distribution Matching, 2023, equation 4), with siamese augmentation.

    Several classes are processed in one batch. With instance norm this is exactly the sum of the losses of separate
    classes. Batch norm depends on the whole batch; then all classes are one batch on every process. If an update uses
    only some classes (``batch_classes``), the sum over them is scaled to estimate the sum over all.
    """

    title = "distribution matching"
    Settings = DMSettings
    matches_features = True
    """Whether networks need a method ``embed``."""

    def __init__(self, config: Config) -> None:
        self._batch_real = config.objective_settings.batch_real
        self._batch_classes = classes_at_once(config)
        self._whole = config.network.norm == "batch"

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        """One loss per iteration, with a new network."""
        embed = embedding(iteration.network().requires_grad_(False))
        augmentation, room = iteration.augmentation(), iteration.room()
        drawn = iteration.drawn_classes(self._batch_classes)
        classes = drawn if self._whole else iteration.share(drawn)
        real, _ = iteration.real_rows(self._batch_real, classes=classes)
        rows = iteration.rows_of_classes(classes)
        values = iteration.synthetic.values(rows)
        real_counts = iteration.real.counts(self._batch_real, classes)
        counts = [len(iteration.synthetic.indices_of(label)) for label in classes]
        together = [slice(0, len(classes))] if self._whole else groups(counts, values.device, room.most)
        parts = [rows_of(counts, group) for group in together]

        def real_features(rows: NDArray[np.int64]) -> Tensor:
            made: Tensor = embed(augmentation(iteration.real.images(rows)))
            return made

        def distance(mine: Tensor, number: int) -> Tensor:
            group, members = together[number], rows[parts[number]]
            theirs = real[rows_of(real_counts, group)]

            def features(part: Tensor, where: slice) -> tuple[Tensor, ...]:
                return (embed(augmentation(iteration.synthetic.decode(part, members[where]))),)

            with torch.no_grad():
                wanted = [real_features(theirs[where]) for where in room.parts(len(theirs))]
            made = [each for (each,) in remade(mine, room.parts(len(mine)), features)]
            return (_means(wanted, real_counts[group]) - _means(made, counts[group])).square().sum()

        yield summed(values, parts, distance, iteration.scale) * (iteration.classes / len(drawn))


def _means(features: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """(class, feature) means of ``features``, which are in parts; classes have ``counts`` images each, in order."""
    together = torch.cat(list(features))
    labels = torch.repeat_interleave(torch.tensor(counts, device="cpu")).to(together.device, non_blocking=True)
    return class_means(together, labels, len(counts))


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(class, feature) means of (N, feature) features by (N,) labels; every class must have an image."""
    members = (labels == torch.arange(classes, device=labels.device)[:, None]).to(features.dtype)
    return members @ features / members.sum(1, keepdim=True)
