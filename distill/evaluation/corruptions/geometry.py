"""Geometric distortions with bilinear interpolation. Images are padded with the values of their border."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fredfmt.distill.evaluation.corruptions.draws import Draws, smooth, uniform

_BEND = (0.015, 0.025, 0.037, 0.052, 0.07)
_CELLS = 5
_DEGREES = (8.0, 14.0, 21.0, 30.0, 42.0)
_SHIFT = (0.05, 0.09, 0.13, 0.18, 0.24)


def elastic(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Smooth random displacements whose standard deviation is a share of the shorter side."""
    height, width = images.shape[2:]
    bend = smooth(draws, 2, _CELLS, height, width) * (_BEND[severity - 1] * min(height, width))
    return _sampled(images, *(bend[:, axis] + place for axis, place in enumerate(_places(height, width))))


def rotate(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """A rotation around the centre, in a random direction for each image."""
    degrees = torch.where(uniform(draws) < 0.5, -1.0, 1.0) * _DEGREES[severity - 1]
    cosine, sine = (part[:, None, None] for part in (torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin()))
    height, width = images.shape[2:]
    y, x = _places(height, width)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    return _sampled(images, cosine * y - sine * x + (height - 1) / 2, sine * y + cosine * x + (width - 1) / 2)


def translate(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """A shift by a share of the sides, in a random direction for each image."""
    angle = uniform(draws)[:, None] * (2 * torch.pi)
    sides = torch.tensor(images.shape[2:]) * _SHIFT[severity - 1]
    return moved(images, torch.cat([angle.sin(), angle.cos()], 1) * sides)


def moved(images: Tensor, by: Tensor) -> Tensor:
    """Images shifted by (N, 2) pixels, down and to the right."""
    y, x = _places(*images.shape[2:])
    shape = (len(images), *images.shape[2:])
    return _sampled(images, (y - by[:, :1, None]).expand(shape), (x - by[:, 1:, None]).expand(shape))


def _places(height: int, width: int) -> tuple[Tensor, Tensor]:
    """The row of each pixel, (height, 1), and its column, (1, width)."""
    return torch.arange(height, dtype=torch.float32)[:, None], torch.arange(width, dtype=torch.float32)[None]


def _sampled(images: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Images sampled bilinearly at the rows ``y`` and the columns ``x``, (N, H, W) in pixels."""
    height, width = images.shape[2:]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], 3)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
