"""Blur. Images are padded with the values of their border."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from fredfmt.distill.evaluation.corruptions.draws import Draws, uniform
from fredfmt.distill.evaluation.corruptions.geometry import moved

_DEVIATION = (0.09, 0.13, 0.17, 0.22, 0.28)
_LENGTH = (0.08, 0.13, 0.19, 0.27, 0.38)
_MOST_EXPOSURES = 33


def gaussian_blur(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """A Gaussian filter, integrated over pixels, whose standard deviation grows with the root of the shorter side."""
    deviation = _DEVIATION[severity - 1] * math.sqrt(min(images.shape[2:]))
    reach = math.ceil(3 * deviation)
    below = [math.erf((edge - 0.5) / (deviation * math.sqrt(2))) for edge in range(-reach, reach + 2)]
    weights = [(above - under) / (below[-1] - below[0]) for under, above in pairwise(below)]
    for axis in (2, 3):
        places = torch.arange(images.shape[axis])
        blurred = torch.zeros_like(images)
        for offset, weight in zip(range(-reach, reach + 1), weights, strict=True):
            shifted = images.index_select(axis, (places + offset).clamp(0, images.shape[axis] - 1))
            blurred.add_(shifted, alpha=weight)
        images = blurred
    return images


def motion_blur(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """The mean along a line in a random direction, whose length is a share of the shorter side."""
    length = _LENGTH[severity - 1] * min(images.shape[2:])
    angle = uniform(draws)[:, None] * torch.pi
    path = length * torch.cat([angle.cos(), angle.sin()], 1)
    exposures = min(math.ceil(length) + 2, _MOST_EXPOSURES)
    blurred = torch.zeros_like(images)
    for exposure in range(exposures):
        blurred += moved(images, path * (exposure / (exposures - 1) - 0.5))
    return blurred / exposures
