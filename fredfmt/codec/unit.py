"""Converts images to 0..1 by undoing whitening and normalisation, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fredfmt.codec.precision import exactly
from fredfmt.errors import ArgumentError
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Normalization

if TYPE_CHECKING:
    from fredfmt.codec.whitening import ZCA


def to_unit(images: Tensor, normalization: Normalization | None, *, clip: bool) -> Tensor:
    """Images (B, C, *spatial) converted from the space of ``normalization`` (None: 0..1) to 0..1, and clipped to it
    with ``clip``."""
    if normalization is not None:
        mean, std = map(images.new_tensor, normalization.moments(images.ndim - 2))
        images = images * std + mean
    return images.clamp(0, 1) if clip else images


def from_unit(images: Tensor, normalization: Normalization | None) -> Tensor:
    """Images (B, C, *spatial) in 0..1 converted to the space of ``normalization`` (None: 0..1).

    >>> images, space = torch.full((2, 3, 4, 5), 0.5), Normalization((0.5, 0.4, 0.3), (0.2, 0.2, 0.25))
    >>> converted = from_unit(images, space)
    >>> round(converted[0, 1, 0, 0].item(), 4), torch.allclose(to_unit(converted, space, clip=True), images)
    (0.5, True)
    """
    if normalization is None:
        return images
    mean, std = map(images.new_tensor, normalization.moments(images.ndim - 2))
    return (images - mean) / std


def unwhitened(images: Tensor, metadata: Metadata, whitening: ZCA) -> Tensor:
    """Images (B, C, *spatial) with their whitening undone."""
    if images.shape[2:] != metadata.spatial_shape:
        raise ArgumentError(
            "whitening can only be undone at the size of the data",
            where="size",
            expected=metadata.spatial_shape,
            found=tuple(images.shape[2:]),
        )
    inverse, mean = (torch.from_numpy(part).to(images.device) for part in (whitening.inverse, whitening.mean))
    centred = exactly(lambda whitened: whitened.flatten(1) @ inverse, images.to(inverse.dtype))
    return (centred + mean).view(images.shape).to(images.dtype)
