"""Knowledge of a teacher: an additional loss for any objective, and the labels of the result."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fredfmt.codec.views import Images
from fredfmt.data.sources import Source
from fredfmt.distill.augment import draw_augmentation
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.teacher import Teacher, train_teacher
from fredfmt.distill.objectives import Iteration
from fredfmt.distill.objectives.parts import summed
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.synset import FrequencySynset, sixteenths
from fredfmt.distill.synset.start import chosen_images
from fredfmt.model.data import FreDData

_BATCH = 160
"""The largest number of instances per update."""


class Recognition:
    """A teacher, and the real images that the instances of a run start from, in the same order.

    Coarse quantisation makes images hard to recognise: for CIFAR-10 in 2 kB per class, a teacher recognises 78 % of the
    originals and 48 % of the coded images. A run can therefore also minimise the Kullback-Leibler divergence between
    its predictions for instances and for their originals, with the same augmentation: knowledge distillation (Hinton,
    Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015) that changes images instead of a network. All
    of several processes compute this, and the result of the first is used.
    """

    def __init__(self, teacher: Teacher, originals: Images, weight: float, ranks: Ranks) -> None:
        self.teacher = teacher
        self._originals, self._weight, self._ranks = originals, weight, ranks

    def add_gradient(self, coefficients: Tensor, iteration: Iteration, scale: float = 1.0) -> None:
        """Add the gradient of the weighted divergence, the mean over some random instances, times ``scale``, to that of
        the coefficients."""
        if not self._weight or coefficients.grad is None:
            return
        rows = iteration.synthetic_rows(_BATCH, draw=1)
        values = iteration.synthetic.values(rows).detach().requires_grad_()
        divergence = self._divergence(values, rows, iteration) * (self._weight * scale / len(rows))
        (gradient,) = torch.autograd.grad(divergence, values)
        self._ranks.combine([gradient], shared=False)
        coefficients.grad.index_add_(0, rows.to(coefficients.device, non_blocking=True), gradient)

    def _divergence(self, values: Tensor, rows: Tensor, iteration: Iteration) -> Tensor:
        chance = generator(iteration.seed, "recognition", iteration.number)
        augmentation = draw_augmentation(iteration.operations, chance, images=len(rows))
        images = augmentation(iteration.synthetic.decode(values, rows))
        originals = torch.from_numpy(self._originals[rows.numpy()]).to(images.device, non_blocking=True)
        originals = augmentation(originals)
        parts = self.teacher.room(images.device).parts(len(rows))
        return summed(images, parts, lambda part, number: self.teacher.divergence(part, originals[parts[number]]))

    def labelled(self, synset: FrequencySynset, coded: FreDData) -> FrequencySynset:
        """``synset`` with fixed labels: the mean of its learned labels and of the teacher's for originals and ``coded``
        images, or only the latter if labels were not learned."""
        made = self._ranks.from_first(lambda: self.teacher.labels_of(self._originals, coded))
        if synset.logits is not None:
            made = (made + synset.labels.detach().cpu().numpy()) / 2
        return FrequencySynset.from_data(replace(synset.to_data(), labels=sixteenths(made)))


def taught(
    start: FreDData, train: Source, config: DistillConfig, ranks: Ranks, device: torch.device | str
) -> tuple[FreDData, Recognition | None]:
    """``start`` with labels of a teacher, which each of several processes trains on ``train``.

    Also returns the `Recognition` of the run, if the settings use the teacher's predictions for coded images.
    """
    images = chosen_images(train, config).in_memory().normalized
    teacher = train_teacher(train, config, device=device)
    both = config.teacher.teacher_labels == "both"
    recognition = Recognition(teacher, images, config.teacher.teacher_weight, ranks) if both else None
    return ranks.from_first(lambda: teacher.labelled_start(start, images, config.budget.step)), recognition
