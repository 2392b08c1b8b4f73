"""Networks to match and to train: a configuration in, an `nn.Module` with freshly drawn parameters out.

A network maps (N, C, *spatial) images to (N, class) scores, and ``embed`` gives the (N, feature) numbers before its
last linear layer. Adding a network is adding a file beside these and a line in `NETWORKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fredfmt.distill.config import NetworkConfig
from fredfmt.distill.networks.alexnet import AlexNet
from fredfmt.distill.networks.convnet import ConvNet
from fredfmt.distill.networks.own import NetworkFactory, embedding, factory_name, load_factory, make_own, seeded
from fredfmt.distill.networks.resnet import ResNet18
from fredfmt.distill.networks.vgg import VGG11
from fredfmt.distill.networks.vit import ViT
from fredfmt.errors import ArgumentError


class Network(Protocol):
    """What objectives and the evaluation ask of a network, an `nn.Module`; ``embed`` is for matching features."""

    def __call__(self, images: Tensor, /) -> Tensor: ...
    def embed(self, images: Tensor, /) -> Tensor: ...


NETWORKS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {"alexnet": AlexNet, "convnet": ConvNet, "resnet18": ResNet18, "vgg11": VGG11, "vit": ViT}
)
_TAKES: Mapping[str, tuple[str, ...]] = {
    "alexnet": ("width",),
    "convnet": ("width", "depth", "norm_name", "pooling"),
    "resnet18": ("width", "norm_name"),
    "vgg11": ("width", "norm_name"),
    "vit": ("width", "depth"),
}

__all__ = [
    "NETWORKS",
    "VGG11",
    "AlexNet",
    "ConvNet",
    "Network",
    "NetworkFactory",
    "ResNet18",
    "ViT",
    "embedding",
    "factory_name",
    "load_factory",
    "make_network",
    "seeded",
]


def make_network(
    config: NetworkConfig,
    *,
    channels: int,
    spatial_shape: tuple[int, ...],
    classes: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    factory: NetworkFactory | None = None,
) -> Any:
    """A `Network` for images of that shape, its parameters drawn from ``generator``; by ``factory`` if there is one.

    Raises `ArgumentError` for a name that is not in `NETWORKS`, a factory that makes no network, or images that are too
    small.
    """
    if factory is not None:
        return make_own(
            factory,
            channels=channels,
            spatial_shape=spatial_shape,
            classes=classes,
            generator=generator,
            device=device,
        )
    if config.own:
        raise ArgumentError(
            "a network of somebody's own, which is not run because a file or a setting names it",
            where=config.name,
            hint="Pass the factory itself: network=... in Python, --network package.module:factory to the command",
        )
    if config.name not in NETWORKS:
        raise ArgumentError("no such network", expected=f"one of {sorted(NETWORKS)}", found=repr(config.name))
    settings = {"width": config.width, "depth": config.depth, "norm_name": config.norm, "pooling": config.pooling}
    taken = {name: settings[name] for name in _TAKES[config.name]}
    return NETWORKS[config.name](channels, spatial_shape, classes, **taken, generator=generator, device=device)
