"""Computes how many images a network can process at a time.

The memory that a forward pass keeps per image for the gradient is measured once for each network and size of images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from fredfmt.distill.networks import NetworkConfig, NetworkFactory, make_network

_WHOLE: Mapping[str, int] = MappingProxyType({"cpu": 256 << 20})
"""The largest number of bytes of the graph of a whole batch; larger batches are divided into parts."""
_TOGETHER: Mapping[str, int] = MappingProxyType({"cpu": 512 << 20})
"""The largest number of bytes of the graphs of several batches."""
_PART: Mapping[str, int] = MappingProxyType({"cpu": 64 << 20})
"""Bytes of the graph of a part."""
_ON_ACCELERATORS = 2 << 30
"""The same limits on other devices of unknown memory."""
_SHARE = 4
"""The limits on a CUDA device: its memory divided by this."""
_TRIED = 2
"""Images of the measurement: batch norm needs more than one."""
QUICKEST = 32
"""The largest number of images of a part on a CPU, which is fastest if activations stay in the caches."""


@dataclass(frozen=True)
class Room:
    """Numbers of images that a network can process at a time.

    >>> Room(most=8, part=3).parts(8)
    [slice(0, 8, None)]
    >>> Room(most=6, part=3).parts(8)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
    >>> Room(most=6, part=3).parts(5, again=False)
    [slice(0, 3, None), slice(3, 5, None)]
    """

    most: int
    """The largest batch that is not divided."""
    part: int
    """The size of the parts of a larger batch."""
    kept: int = 0
    """The number of images of several batches whose graphs may be in memory together."""

    def parts(self, count: int, *, again: bool = True) -> list[slice]:
        """The parts of a batch of ``count`` images, in order. ``again``: whether parts are computed once more for the
        gradient, which takes time; otherwise a batch of half of `most` is divided, too."""
        if count <= (self.most if again else self.most // 2):
            return [slice(0, count)]
        return [slice(start, min(start + self.part, count)) for start in range(0, count, self.part)]


EVERYTHING = Room(most=1 << 62, part=1 << 62)
"""No limit."""


def room_for(
    config: NetworkConfig,
    factory: NetworkFactory | None,
    channels: int,
    spatial_shape: tuple[int, ...],
    classes: int,
    device: torch.device,
    graphs: int = 1,
) -> Room:
    """The room of a network on a device, for a computation that takes ``graphs`` times the memory of a forward pass.

    Batch norm depends on the whole batch, so a batch then cannot be divided.
    """
    size, divisible = _bytes_of_an_image(config, _Same(factory), channels, spatial_shape, classes)
    most, part, kept = (
        max(1, where.get(device.type, _on_accelerator(device)) // (size * graphs))
        for where in (_WHOLE, _PART, _TOGETHER)
    )
    if not divisible:
        return replace(EVERYTHING, kept=kept)
    return Room(most, min(part, QUICKEST) if device.type == "cpu" else part, kept=kept)


@cache
def _on_accelerator(device: torch.device) -> int:
    """Bytes of the graph of a whole batch or of a part."""
    if device.type == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_properties(device).total_memory // _SHARE
    return _ON_ACCELERATORS


@dataclass(frozen=True)
class _Same:
    """A factory that is compared by identity, because custom factories need not be hashable."""

    factory: NetworkFactory | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.factory is self.factory

    def __hash__(self) -> int:
        return id(self.factory)


@lru_cache(maxsize=64)
def _bytes_of_an_image(
    config: NetworkConfig, own: _Same, channels: int, spatial_shape: tuple[int, ...], classes: int
) -> tuple[int, bool]:
    """Bytes that a forward pass keeps per image for the gradient, and whether batches can be divided."""
    made = make_network(
        config,
        channels=channels,
        spatial_shape=spatial_shape,
        classes=classes,
        generator=torch.Generator("cpu").manual_seed(0),
        factory=own.factory,
    )
    divisible = not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in made.modules())
    images = torch.zeros(_TRIED, channels, *spatial_shape, device="cpu", requires_grad=True)
    return max(1, kept_for_gradient(made, images) // _TRIED), divisible


def kept_for_gradient(network: Any, images: Tensor) -> int:
    """Bytes that a forward pass keeps of its images, without the parameters."""
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {images.data_ptr(): images.nbytes}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = max(tensor.nbytes, kept.get(tensor.data_ptr(), 0))
        return tensor

    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(images)
    return sum(kept.values())
