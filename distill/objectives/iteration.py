"""The data and functions that an objective uses in one iteration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fredfmt.distill.augment import Augmentation, draw_augmentation
from fredfmt.distill.networks import NetworkConfig, NetworkFactory, make_network
from fredfmt.distill.networks.prepared import prepared
from fredfmt.distill.networks.room import Room, room_for
from fredfmt.distill.networks.training import add_gradients
from fredfmt.distill.objectives.real import RealImages
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings.groups import Precision

T = TypeVar("T")


class Synthetic(Protocol):
    """The synthetic images."""

    @property
    def labels(self) -> Tensor: ...
    def images(self, indices: Tensor | None = None, /) -> Tensor: ...
    def values(self, indices: Tensor | None = None, /) -> Tensor: ...
    def decode(self, values: Tensor, indices: Tensor | None = None, /) -> Tensor: ...
    def indices_of(self, label: int, /) -> Tensor: ...


@dataclass
class Iteration:
    """One iteration of a run. Every random draw depends only on the seed, the number of the iteration and its purpose,
    so the order of calls does not matter, and repeated calls give the same result.

    >>> from fredfmt import open_source
    >>> from fredfmt.distill import DistillConfig, distill
    >>> class Shapes:
    ...     def __init__(self, config):
    ...         pass
    ...
    ...     def losses(self, iteration):
    ...         real, labels = iteration.real_batch(4)
    ...         print(iteration.number, tuple(real.shape), tuple(iteration.synthetic.images().shape))
    ...         yield iteration.synthetic.images().square().mean()
    >>> source = open_source("digits", classes=["3", "5"])
    >>> data = distill(source, DistillConfig(objective=Shapes, ipc=1, k=16, iterations=1))
    0 (8, 1, 8, 8) (8, 1, 8, 8)
    """

    number: int
    seed: int
    classes: int
    channels: int
    spatial_shape: tuple[int, ...]
    synthetic: Synthetic
    """``images(indices=None)`` decodes instances differentiably, (B, C, H, W) float32; ``labels`` are all labels."""
    real: RealImages
    network_config: NetworkConfig
    operations: tuple[str, ...]
    network_factory: NetworkFactory | None = None
    """The factory that makes networks, in place of ``network_config``."""
    ranks: Ranks = field(default_factory=Ranks)
    """This process among those of the run."""
    scale: Tensor | None = None
    """The factor of losses before gradients are computed, in half precision."""
    precision: Precision = "float32"
    """The precision of the networks."""
    compile: bool = False
    """Whether networks are compiled."""
    teacher: Callable[[Tensor], Tensor] | None = None
    """The (B, class) probabilities that the teacher of the run gives real images, if it has one."""
    shared: bool = field(default=False, init=False)
    """Whether `share` was called."""

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The part of ``items`` (for example classes) that this process computes; all if it is the only process.

        An objective that calls this yields the losses of its part, and the run sums over processes. An objective that
        does not call it computes everything on every process, which is correct, but not faster.
        """
        self.shared = True
        return self.ranks.share(items)

    def drawn_classes(self, count: int, draw: int = 0) -> Sequence[int]:
        """At most ``count`` random classes, ascending, the same on every process; all of them for 0.

        If there are more, they are shuffled every ``ceil(classes / count)`` iterations and divided into as many parts
        of almost equal size, one for each of these iterations, so that all classes are drawn equally often.
        """
        if not 0 < count < self.classes:
            return range(self.classes)
        parts = math.ceil(self.classes / count)
        chance = generator(self.seed, "classes", self.number // parts, draw)
        order = torch.randperm(self.classes, generator=chance, device="cpu")
        return sorted(torch.tensor_split(order, parts)[self.number % parts].tolist())

    def real_batch(
        self, per_class: int, draw: int = 0, *, classes: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Real images, the same number of each class, class by class, and their (B,) int64 labels.

        For some ``classes``, these are the images that a batch of all classes has of them.
        """
        rows, labels = self.real_rows(per_class, draw, classes=classes)
        return self.real.images(rows), labels

    def real_rows(
        self, per_class: int, draw: int = 0, *, classes: Sequence[int] | None = None
    ) -> tuple[NDArray[np.int64], Tensor]:
        """The rows in the source of the images of `real_batch`, for ``iteration.real.images(rows)``, and their
        labels."""
        return self.real.draw(per_class, generator(self.seed, "real", self.number, draw), classes)

    def wanted(self, images: Tensor, labels: Tensor) -> Tensor:
        """What should be predicted for real images: the probabilities of the teacher, or their ``labels`` if there is
        none."""
        return labels if self.teacher is None else self.teacher(images)

    def synthetic_batch(self, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The synthetic images of some ``classes`` and their labels, class by class."""
        rows = self.rows_of_classes(classes)
        return self.synthetic.images(rows), self.labels_of(rows)

    def labels_of(self, rows: Tensor) -> Tensor:
        """The labels, on their device, of the instances ``rows``, int64 on the CPU."""
        labels = self.synthetic.labels
        return labels.index_select(0, rows.to(labels.device, non_blocking=True))

    def synthetic_rows(self, count: int = 0, draw: int = 0, *, classes: Sequence[int] | None = None) -> Tensor:
        """About ``count`` random instances of ``classes`` (None: all classes), the same number of each, or all
        instances for 0. int64 on the CPU."""
        chance = generator(self.seed, "synthetic", self.number, draw)
        wanted = range(self.classes) if classes is None else classes
        per_class = max(1, count // len(wanted)) if count else None
        members = [self.synthetic.indices_of(label) for label in wanted]
        return torch.cat([of[torch.randperm(len(of), generator=chance, device="cpu")[:per_class]] for of in members])

    def rows_of_classes(self, classes: Sequence[int]) -> Tensor:
        """The instances of some ``classes``, class by class; int64 on the CPU."""
        return torch.cat([self.synthetic.indices_of(label) for label in classes])

    def room(self, graphs: int = 1) -> Room:
        """The numbers of images that the network can process at a time. ``graphs``: the memory of a computation,
        relative to that of a forward pass with its graph."""
        return room_for(
            self.network_config,
            self.network_factory,
            self.channels,
            self.spatial_shape,
            self.classes,
            self.synthetic.labels.device,
            graphs,
        )

    def add_gradients(self, network: nn.Module, rows: Tensor, augmentation: Augmentation) -> None:
        """Add the gradients of a network that is trained on the instances ``rows``, int64 on the CPU, as they are."""
        read = torch.no_grad()(self.synthetic.images)
        add_gradients(network, read, rows, self.labels_of(rows).detach(), augmentation, self.room())

    def network(self, draw: int = 0) -> Any:
        """A `Network` with new random parameters on the device of the synthetic images."""
        network = make_network(
            self.network_config,
            channels=self.channels,
            spatial_shape=self.spatial_shape,
            classes=self.classes,
            generator=generator(self.seed, "network", self.number, draw),
            device=self.synthetic.labels.device,
            factory=self.network_factory,
        )
        return prepared(network, self.precision, self.compile)

    def augmentation(self, draw: int = 0) -> Augmentation:
        """A siamese augmentation, to apply to real and synthetic images."""
        return draw_augmentation(self.operations, generator(self.seed, "augmentation", self.number, draw))
