"""What an objective has at hand in one iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from fredfmt.distill.augment import Augmentation, draw_augmentation
from fredfmt.distill.config import NetworkConfig
from fredfmt.distill.networks import NetworkFactory, make_network
from fredfmt.distill.randomness import generator
from fredfmt.distill.real import RealImages


class Synthetic(Protocol):
    """The images being learnt."""

    @property
    def labels(self) -> Tensor: ...
    def images(self, indices: Tensor | None = None, /) -> Tensor: ...


@dataclass(frozen=True)
class Iteration:
    """One iteration of a run. Whatever is drawn here is a function of the seed, the number and what it is drawn for,
    so the order of asking does not matter, and asking twice gives the same."""

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
    """What makes networks in place of ``network_config``."""

    def real_batch(self, per_class: int, draw: int = 0) -> tuple[Tensor, Tensor]:
        """Real images, the same number of each class, class by class, and their (B,) int64 labels."""
        return self.real.batch(per_class, generator(self.seed, "real", self.number, draw))

    def network(self, draw: int = 0) -> Any:
        """A `Network` with fresh random parameters on the device of the synthetic images."""
        return make_network(
            self.network_config,
            channels=self.channels,
            spatial_shape=self.spatial_shape,
            classes=self.classes,
            generator=generator(self.seed, "network", self.number, draw),
            device=self.synthetic.labels.device,
            factory=self.network_factory,
        )

    def augmentation(self, draw: int = 0) -> Augmentation:
        """A siamese augmentation, to be applied to real and synthetic images alike."""
        return draw_augmentation(self.operations, generator(self.seed, "augmentation", self.number, draw))
