"""Random numbers for each image of a batch, which do not depend on the other images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Draws = Sequence[torch.Generator]
"""A generator for each image of a batch, on the CPU; see `fredfmt.distill.runtime.randomness`."""


def uniform(draws: Draws, *shape: int) -> Tensor:
    """(N, *shape) uniform numbers in 0..1."""
    return torch.stack([torch.rand(shape, generator=chance, device="cpu") for chance in draws])


def normal(draws: Draws, *shape: int) -> Tensor:
    """(N, *shape) normal numbers."""
    return torch.stack([torch.randn(shape, generator=chance, device="cpu") for chance in draws])


def poisson(draws: Draws, rates: Tensor) -> Tensor:
    """Poisson counts with mean ``rates``, (N, ...)."""
    return torch.stack([torch.poisson(rate, generator=chance) for rate, chance in zip(rates, draws, strict=True)])


def smooth(draws: Draws, channels: int, cells: int, height: int, width: int) -> Tensor:
    """(N, channels, height, width) normal numbers on a grid with ``cells`` per side, interpolated by cubic curves."""
    grid = normal(draws, channels, min(cells, height), min(cells, width))
    return torch.nn.functional.interpolate(grid, (height, width), mode="bicubic", align_corners=True)
