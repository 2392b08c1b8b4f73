"""Distribution matching: real and synthetic images are to have the same mean features, class by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fredfmt.distill.networks import embedding
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import ClassBatchSettings, Config, RealBatchSettings, classes_at_once
from fredfmt.distill.objectives.parts import groups, rows_of, summed


@dataclass(frozen=True)
class DMSettings(RealBatchSettings, ClassBatchSettings):
    """Of `DM`."""


class DM:
    """The squared distance of mean embeddings in a random network, summed over classes (Zhao and Bilen, Dataset
    Condensation with Distribution Matching, 2023, equation 4), with siamese augmentation.

    Several classes go through the network in one batch: its instance norm does not mix images, so this is exactly the
    sum of the losses of each class by itself. Batch norm does mix them; all classes are one batch then, everywhere.
    Where an update sees some classes (``batch_classes``), their sum is scaled up to be an estimate of the sum over all.
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
        """One loss per iteration, with a network of its own."""
        embed = embedding(iteration.network().requires_grad_(False))
        augmentation = iteration.augmentation()
        drawn = iteration.drawn_classes(self._batch_classes)
        classes = drawn if self._whole else iteration.share(drawn)
        real, _ = iteration.real_batch(self._batch_real, classes=classes)
        images, _ = iteration.synthetic_batch(classes)
        real_counts = iteration.real.counts(self._batch_real, classes)
        counts = [len(iteration.synthetic.indices_of(label)) for label in classes]
        together = [slice(0, len(classes))] if self._whole else groups(counts, images.device)

        def features(images: Tensor, counts: list[int]) -> Tensor:
            labels = torch.repeat_interleave(torch.tensor(counts)).to(images.device, non_blocking=True)
            return class_means(embed(augmentation(images)), labels, len(counts))

        def distance(mine: Tensor, number: int) -> Tensor:
            group = together[number]
            with torch.no_grad():
                wanted = features(real[rows_of(real_counts, group)], real_counts[group])
            return (wanted - features(mine, counts[group])).square().sum()

        parts = [rows_of(counts, group) for group in together]
        yield summed(images, parts, distance, iteration.scale) * (iteration.classes / len(drawn))


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(N, feature) and (N,) labels to the (class, feature) mean of each class; every class must be there."""
    members = (labels == torch.arange(classes, device=labels.device)[:, None]).to(features.dtype)
    return members @ features / members.sum(1, keepdim=True)
