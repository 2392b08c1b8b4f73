"""Distribution matching: real and synthetic images shall have the same mean features, class by class."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fredfmt.distill.config import DistillConfig
from fredfmt.distill.networks import embedding
from fredfmt.distill.objectives.iteration import Iteration


class DM:
    """The squared distance of mean embeddings in a random network, summed over classes (Zhao and Bilen, Dataset
    Condensation with Distribution Matching, 2023, equation 4), with siamese augmentation.

    All classes go through the network in one batch: its instance norm does not mix images, so this is exactly the sum
    of the losses of each class by itself.
    """

    def __init__(self, config: DistillConfig) -> None:
        self._batch_real = config.batch_real

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        """One loss an iteration, with a network of its own."""
        embed = embedding(iteration.network().requires_grad_(False))
        augmentation = iteration.augmentation()
        images, labels = iteration.real_batch(self._batch_real)
        with torch.no_grad():
            wanted = class_means(embed(augmentation(images)), labels, iteration.classes)
        synthetic = iteration.synthetic
        reached = class_means(embed(augmentation(synthetic.images())), synthetic.labels, iteration.classes)
        yield (wanted - reached).square().sum()


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(N, feature) and (N,) labels to the (class, feature) mean of each class; every class must be there."""
    members = (labels == torch.arange(classes, device=labels.device)[:, None]).to(features.dtype)
    return members @ features / members.sum(1, keepdim=True)
