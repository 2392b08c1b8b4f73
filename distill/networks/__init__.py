"""Networks for matching and evaluation.

A network is an `nn.Module` from (N, C, *spatial) images to (N, class) scores; its method ``embed`` returns the (N,
feature) inputs of the last linear layer. To add a network, add a module to this package and a line to each table of the
registry.
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
    """The part of an `nn.Module` that objectives and evaluation use; ``embed`` is for matching features."""

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
    """A new `Network` for images of this shape, with parameters drawn from ``generator``, or made by ``factory``.

    Raises `ArgumentError` for a factory that does not return a network, and for images that are too small.

    >>> config, draws = NetworkConfig("convnet", width=8, depth=2), torch.Generator().manual_seed(0)
    >>> network = make_network(config, channels=3, spatial_shape=(16, 20), classes=5, generator=draws)
    >>> network(torch.zeros(2, 3, 16, 20)).shape, network.embed(torch.zeros(2, 3, 16, 20)).shape
    (torch.Size([2, 5]), torch.Size([2, 160]))
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
            "a custom network, which is not run only because a file or a setting names it",
            where=config.name,
            hint="Pass the factory: network=... in Python, --network package.module:factory on the command line",
        )
    taken = {argument: getattr(config, name) for name, argument in SETTINGS[config.name].items()}
    return NETWORKS[config.name](channels, spatial_shape, classes, **taken, generator=generator, device=device)
