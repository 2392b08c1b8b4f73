"""Noise of single values."""

from __future__ import annotations

import torch
from torch import Tensor

from fredfmt.distill.evaluation.corruptions.draws import Draws, normal, poisson, uniform

_DEVIATION = (0.04, 0.08, 0.12, 0.18, 0.26)
_PHOTONS = (100, 40, 18, 9, 4)
_BROKEN = (0.02, 0.05, 0.09, 0.15, 0.24)


def gaussian_noise(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Adds a normal number to every value."""
    return images + normal(draws, *images.shape[1:]) * _DEVIATION[severity - 1]


def shot_noise(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Photon noise: Poisson counts, with few photons for white."""
    photons = _PHOTONS[severity - 1]
    return poisson(draws, images * photons) / photons


def impulse_noise(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Salt and pepper noise: a share of the values is set to 0 or 1, with equal probability."""
    chance, share = uniform(draws, *images.shape[1:]), _BROKEN[severity - 1]
    return torch.where(chance < share, (chance < share / 2).to(images.dtype), images)
