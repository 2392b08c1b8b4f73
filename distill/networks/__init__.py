"""Networks to match and to train: a configuration in, an `nn.Module` with freshly drawn parameters out.

A network maps (N, C, *spatial) images to (N, class) scores, and ``embed`` gives the (N, feature) numbers before its
last linear layer. Adding a network is adding a file beside these and a line in each table of the registry.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from fredfmt.distill.networks.own import NetworkFactory, embedding, load_factory, make_own, name_of, seeded
from fredfmt.distill.networks.registry import NETWORKS, SETTINGS
from fredfmt.distill.networks.settings import NetworkConfig
from fredfmt.errors import ArgumentError


class Network(Protocol):
    """What objectives and the evaluation need of a network, an `nn.Module`; ``embed`` is for matching features."""

    def __call__(self, images: Tensor, /) -> Tensor: ...
    def embed(self, images: Tensor, /) -> Tensor: ...


__all__ = [
    "NETWORKS",
    "Network",
    "NetworkConfig",
    "NetworkFactory",
    "embedding",
    "load_factory",
    "make_network",
    "name_of",
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

    Raises `ArgumentError` for a factory that makes no network, and for images that are too small.
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
            "a user's own network, which is not run merely because a file or a setting names it",
            where=config.name,
            hint="Pass the factory itself: network=... in Python, --network package.module:factory to the command",
        )
    taken = {argument: getattr(config, name) for name, argument in SETTINGS[config.name].items()}
    return NETWORKS[config.name](channels, spatial_shape, classes, **taken, generator=generator, device=device)
