"""Gradient matching: real and synthetic images of a class should have the same gradients in a network."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt.distill.augment import Augmentation
from fredfmt.distill.networks.convolving import matching_gradients
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import ClassBatchSettings, Config, RealBatchSettings, classes_at_once
from fredfmt.distill.objectives.parts import remade, rows_of, summed
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings import setting

_GRAPHS = 4
"""The memory of a gradient of gradients, in units of a forward pass."""
_BATCH = 256
"""Synthetic images per training step of the network, as in the published code."""


@dataclass(frozen=True)
class DCSettings(RealBatchSettings, ClassBatchSettings):
    """Settings of `DC` and `DSA`."""

    outer_loop: int = setting(1, "Updates of the coefficients per iteration, with one network.", least=1)
    inner_loop: int = setting(
        1, "Epochs of training of the network on the synthetic images between two updates.", least=0
    )
    lr_net: float = setting(0.01, "Learning rate of the network between two updates.", above=0)


class DC:
    """The distance between the gradients of the cross-entropy of real and of synthetic images of a class, summed over
    classes (Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021, equations 9 and 10).

    With ``outer_loop`` above 1, the network is trained on the synthetic images for ``inner_loop`` epochs between two
    updates. As in the published code, the gradients of biases and norms are not matched. If an update uses only some
    classes (``batch_classes``), the sum over them is scaled to estimate the sum over all.
    """

    title = "gradient matching"
    Settings = DCSettings
    siamese = False
    """Whether real and synthetic images of a class are augmented, with the same parameters."""

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
        real, labels = iteration.real_rows(self._settings.batch_real, outer, classes=classes)
        rows = iteration.rows_of_classes(classes)
        values, targets = iteration.synthetic.values(rows), iteration.labels_of(rows)
        real_counts = iteration.real.counts(self._settings.batch_real, classes)
        counts = [len(iteration.synthetic.indices_of(label)) for label in classes]
        one_by_one = [slice(place, place + 1) for place in range(len(classes))]
        mine, theirs = ([rows_of(each, one) for one in one_by_one] for each in (counts, real_counts))
        weights = [weight for weight in network.parameters() if weight.ndim > 1]
        room = iteration.room(graphs=_GRAPHS)

        def gradients(images: Tensor, labels: Tensor, count: int, *, graph: bool) -> tuple[Tensor, ...]:
            """The gradients of the weights for ``images``, their part of the mean cross-entropy of ``count`` images."""
            with matching_gradients() if graph else nullcontext():
                loss = F.cross_entropy(network(images), labels) * (len(images) / count)
            return torch.autograd.grad(loss, weights, create_graph=graph)

        def distance(part: Tensor, number: int) -> Tensor:
            augmentation = Augmentation.none()
            if self.siamese:
                augmentation = iteration.augmentation(outer * iteration.classes + classes[number])
            members, wanted_rows = rows[mine[number]], real[theirs[number]]
            mine_targets, wanted_labels = targets[mine[number]], labels[theirs[number]]

            def of_synthetic(part: Tensor, where: slice) -> tuple[Tensor, ...]:
                images = augmentation(iteration.synthetic.decode(part, members[where]))
                return gradients(images, mine_targets[where], len(members), graph=part.requires_grad)

            wanted = [
                gradients(
                    augmentation(iteration.real.images(wanted_rows[where])),
                    wanted_labels[where],
                    len(wanted_rows),
                    graph=False,
                )
                for where in room.parts(len(wanted_rows))
            ]
            made = remade(part, room.parts(len(members)), of_synthetic)
            return gradient_distance(_added(made), _added(wanted))

        return summed(values, mine, distance, iteration.scale) * (iteration.classes / len(drawn))

    def _train(self, network: nn.Module, optimizer: torch.optim.Optimizer, iteration: Iteration, outer: int) -> None:
        """Train the network on the current synthetic images."""
        count = len(iteration.synthetic.labels)
        chance = generator(iteration.seed, "inner", iteration.number, outer)
        for epoch in range(self._settings.inner_loop):
            draw = self._settings.outer_loop * iteration.classes + outer * self._settings.inner_loop + epoch
            augmentation = iteration.augmentation(draw) if self.siamese else Augmentation.none()
            for rows in torch.split(torch.randperm(count, generator=chance, device="cpu"), _BATCH):
                optimizer.zero_grad()
                iteration.add_gradients(network, rows, augmentation)
                optimizer.step()


def _added(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    """The sum of gradients over ``parts``, for each weight."""
    return [functools.reduce(torch.add, of_one) for of_one in zip(*parts, strict=True)]


def gradient_distance(mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """One minus the cosine similarity of the gradients of each output, summed over outputs and layers (equation 10)."""
    total = mine[0].new_zeros(())
    for left, right in zip(mine, theirs, strict=True):
        left, right = left.flatten(1), right.flatten(1)
        cosine = (left * right).sum(1) / (left.norm(dim=1) * right.norm(dim=1) + 1e-6)
        total = total + (1 - cosine).sum()
    return total
