"""How experts are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fredfmt.distill.augment import DEFAULT_AUGMENTATION, operations
from fredfmt.distill.layout import WhiteningSettings
from fredfmt.distill.networks.settings import NetworkConfig
from fredfmt.distill.settings import group, setting


@dataclass(frozen=True)
class ExpertConfig(WhiteningSettings):
    """How experts are trained on real images: SGD on the cross-entropy, every batch augmented by one drawn operation,
    each image with its own parameters. The rate and the batch are those of Cazenavette et al. (2022).

    Trajectory matching needs at least ``max_start_epoch - 1 + expert_epochs`` epochs.

    >>> ExpertConfig(epochs=20, network="vgg11").network.name
    'vgg11'
    """

    where: ClassVar[str] = "experts"

    epochs: int = setting(10, "Epochs of each expert.", least=1)
    batch: int = setting(256, "Real images per optimizer step.", least=1)
    lr: float = setting(0.01, "Learning rate of SGD.", above=0)
    momentum: float = setting(0.0, "Momentum of SGD.", least=0, below=1)
    network: NetworkConfig = group(NetworkConfig)
    augmentation: str = setting(
        DEFAULT_AUGMENTATION, "Operations joined by _, one of them drawn per batch; none for none.", check=operations
    )
    seed: int = setting(
        0, "Seed of every random draw; with the number of an expert it decides what the expert becomes.", least=0
    )
