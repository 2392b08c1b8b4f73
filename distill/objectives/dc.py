"""Gradient matching: real and synthetic images of a class are to give a network the same gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt.distill.networks.convolving import matching_gradients
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import ClassBatchSettings, Config, RealBatchSettings, classes_at_once
from fredfmt.distill.objectives.parts import rows_of, summed
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings import setting

_BATCH = 256
"""Synthetic images per step of the network's training, as in the published code."""


@dataclass(frozen=True)
class DCSettings(RealBatchSettings, ClassBatchSettings):
    """Of `DC` and `DSA`."""

    outer_loop: int = setting(1, "Updates of the coefficients per iteration, with one network.", least=1)
    inner_loop: int = setting(
        1, "Epochs by which the network is trained on the synthetic set between two updates.", least=0
    )
    lr_net: float = setting(0.01, "Learning rate of the network between two updates.", above=0)


class DC:
    """The distance of the gradients of the cross-entropy by real and by synthetic images of a class, summed over
    classes (Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021, equations 9 and 10).

    With ``outer_loop`` above 1 the network is trained on the synthetic set for ``inner_loop`` epochs between two
    updates. The gradients of biases and norms are not matched, as in the published code. Where an update sees some
    classes (``batch_classes``), the sum over them is scaled up to be an estimate of the sum over all.
    """

    title = "gradient matching"
    Settings = DCSettings
    siamese = False
    """Whether real and synthetic images of a class are augmented alike."""

    def __init__(self, config: Config) -> None:
        self._settings: DCSettings = config.objective_settings
        self._batch_classes = classes_at_once(config)

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        """``outer_loop`` losses per iteration, with one network."""
        network = iteration.network()
        optimizer = torch.optim.SGD(network.parameters(), lr=self._settings.lr_net, momentum=0.5)
        for outer in range(self._settings.outer_loop):
            if outer:
                self._train(network, optimizer, iteration, outer)
            yield self._matching(network, iteration, outer)

    def _matching(self, network: nn.Module, iteration: Iteration, outer: int) -> Tensor:
        drawn = iteration.drawn_classes(self._batch_classes, outer)
        classes = iteration.share(drawn)
        real, labels = iteration.real_batch(self._settings.batch_real, outer, classes=classes)
        synthetic, targets = iteration.synthetic_batch(classes)
        real_counts = iteration.real.counts(self._settings.batch_real, classes)
        counts = [len(iteration.synthetic.indices_of(label)) for label in classes]
        one_by_one = [slice(place, place + 1) for place in range(len(classes))]
        mine, theirs = ([rows_of(each, one) for one in one_by_one] for each in (counts, real_counts))
        weights = [weight for weight in network.parameters() if weight.ndim > 1]

        def distance(images: Tensor, number: int) -> Tensor:
            wanted = real[theirs[number]]
            if self.siamese:
                augmentation = iteration.augmentation(outer * iteration.classes + classes[number])
                images, wanted = augmentation(images), augmentation(wanted)
            given = torch.autograd.grad(F.cross_entropy(network(wanted), labels[theirs[number]]), weights)
            with matching_gradients():
                loss = F.cross_entropy(network(images), targets[mine[number]])
            return gradient_distance(torch.autograd.grad(loss, weights, create_graph=True), given)

        return summed(synthetic, mine, distance, iteration.scale) * (iteration.classes / len(drawn))

    def _train(self, network: nn.Module, optimizer: torch.optim.Optimizer, iteration: Iteration, outer: int) -> None:
        """Train the network on the synthetic set as it is now."""
        images, targets = iteration.synthetic.images().detach(), iteration.synthetic.labels
        chance = generator(iteration.seed, "inner", iteration.number, outer)
        for epoch in range(self._settings.inner_loop):
            for rows in torch.split(torch.randperm(len(images), generator=chance).to(images.device), _BATCH):
                batch = images[rows]
                if self.siamese:
                    draw = self._settings.outer_loop * iteration.classes + outer * self._settings.inner_loop + epoch
                    batch = iteration.augmentation(draw)(batch)
                optimizer.zero_grad()
                F.cross_entropy(network(batch), targets[rows]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()


def gradient_distance(mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """One minus the cosine of each output's gradient, summed over outputs and layers (equation 10)."""
    total = mine[0].new_zeros(())
    for left, right in zip(mine, theirs, strict=True):
        left, right = left.flatten(1), right.flatten(1)
        cosine = (left * right).sum(1) / (left.norm(dim=1) * right.norm(dim=1) + 1e-6)
        total = total + (1 - cosine).sum()
    return total
