"""Changes of light: lower contrast, higher brightness, fog."""

from __future__ import annotations

import torch
from torch import Tensor

from fredfmt.distill.evaluation.corruptions.draws import Draws, smooth

_CONTRAST = (0.75, 0.6, 0.45, 0.3, 0.18)
_BRIGHTNESS = (0.1, 0.18, 0.26, 0.36, 0.48)
_FOG = (0.2, 0.3, 0.42, 0.55, 0.7)
_CELLS = (2, 4, 8)


def contrast(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Reduces differences from the mean of the image."""
    level = images.mean((1, 2, 3), keepdim=True)
    return (images - level) * _CONTRAST[severity - 1] + level


def brightness(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Adds the same amount to every value."""
    return images + _BRIGHTNESS[severity - 1]


def fog(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Blends the image with light grey clouds, large ones and fainter small ones."""
    height, width = images.shape[2:]
    clouds = torch.zeros(len(images), 1, height, width)
    for octave, cells in enumerate(_CELLS):
        clouds += smooth(draws, 1, cells, height, width) / 2**octave
    share = _FOG[severity - 1]
    return images * (1 - share) + (0.75 + 0.15 * clouds).clamp(0, 1) * share
