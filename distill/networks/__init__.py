"""Networks to match and to train: a configuration in, an `nn.Module` with freshly drawn parameters out.

A network maps (N, C, H, W) images to (N, class) scores, and ``embed`` gives the (N, feature) numbers before its last
linear layer. Adding a network is adding a file beside these and a line in `NETWORKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from fredfmt.distill.config import NetworkConfig
from fredfmt.distill.networks.convnet import ConvNet
from fredfmt.errors import ArgumentError


class Network(Protocol):
    """What an objective and the evaluation ask of a network; any `nn.Module` with an ``embed`` will do."""

    def __call__(self, images: Tensor, /) -> Tensor: ...
    def embed(self, images: Tensor, /) -> Tensor: ...


NETWORKS: Mapping[str, type[ConvNet]] = MappingProxyType({"convnet": ConvNet})

__all__ = ["NETWORKS", "ConvNet", "Network", "make_network"]


def make_network(
    config: NetworkConfig,
    *,
    channels: int,
    spatial_shape: tuple[int, ...],
    classes: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> ConvNet:
    """A network for images of that shape, its parameters drawn from ``generator``.

    Raises `ArgumentError` for a name that is not in `NETWORKS`, or a depth that the images are too small for.
    """
    if config.name not in NETWORKS:
        raise ArgumentError("no such network", expected=f"one of {sorted(NETWORKS)}", found=repr(config.name))
    return NETWORKS[config.name](
        channels,
        spatial_shape,
        classes,
        width=config.width,
        depth=config.depth,
        generator=generator,
        device=device,
    )
