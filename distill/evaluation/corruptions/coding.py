"""Lossy compression: coarse pixels and JPEG."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fredfmt.distill.evaluation.corruptions.draws import Draws

_SIDES = (0.75, 0.6, 0.47, 0.37, 0.27)
_QUALITY = (50, 30, 18, 10, 5)


def pixelate(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """Fewer and larger pixels, each the mean of those that it replaces."""
    height, width = (_block_means(side, max(1, round(side * _SIDES[severity - 1]))) for side in images.shape[2:])
    return height @ images @ width.T


def _block_means(side: int, blocks: int) -> Tensor:
    """(side, side) matrix that replaces each pixel of a line by the mean of its block."""
    block = torch.arange(side) * blocks // side
    same = (block[:, None] == block).to(torch.float32)
    return same / same.sum(1, keepdim=True)


def jpeg(images: Tensor, severity: int, draws: Draws) -> Tensor:
    """JPEG compression; unless there are three channels, of each channel separately as a grey image."""
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    quality = _QUALITY[severity - 1]
    if images.shape[1] == 3:
        coded = np.stack([_jpeg(image.transpose(1, 2, 0), quality).transpose(2, 0, 1) for image in pixels])
    else:
        coded = np.stack([np.stack([_jpeg(channel, quality) for channel in image]) for image in pixels])
    return torch.from_numpy(coded).to(images.dtype) / 255


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    written = BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=quality)
    with Image.open(written) as image:
        return np.asarray(image)
