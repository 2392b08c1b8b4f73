"""Settings of the training of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fredfmt.distill.networks.settings import NetworkConfig
from fredfmt.distill.settings import group, setting
from fredfmt.distill.settings.groups import augmentation_setting
from fredfmt.distill.settings.layout import WhiteningSettings


@dataclass(frozen=True)
class ExpertConfig(WhiteningSettings):
    """Settings of the training of experts on real images.

    Experts are trained by SGD on the cross-entropy. One random operation augments each batch, with different parameters
    for each image. Learning rate and batch size are those of Cazenavette et al. (2022). Trajectory matching needs at
    least ``max_start_epoch - 1 + expert_epochs`` epochs.

    >>> ExpertConfig(epochs=20, network="vgg11").network.name
    'vgg11'
    """

    where: ClassVar[str] = "experts"

    epochs: int = setting(10, "Epochs of each expert.", least=1)
    batch: int = setting(256, "Real images per optimizer step.", least=1)
    lr: float = setting(0.01, "Learning rate of SGD.", above=0)
    momentum: float = setting(0.0, "Momentum of SGD.", least=0, below=1)
    network: NetworkConfig = group(NetworkConfig)
    augmentation: str = augmentation_setting("batch")
    seed: int = setting(0, "Seed of every random draw; an expert is determined by the seed and its number.", least=0)
