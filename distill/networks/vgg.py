"""VGG-11."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.distill.networks.parts import Classifier, convolution, draw_parameters, first_padding, norm

_BLOCKS = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of the convolutions between two poolings, in multiples of the width."""


class VGG11(Classifier):
    """Eight 3x3 convolutions, each with a norm and ReLU, five max poolings and one linear layer: Simonyan and Zisserman
    (2015), configuration A, without its hidden linear layers, as in Dataset Condensation. The published width is 64.
    """

    def __init__(
        self,
        channels: int,
        spatial_shape: tuple[int, ...],
        classes: int,
        *,
        width: int = 64,
        norm_name: str = "instance",
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        axes, padding = len(spatial_shape), first_padding(spatial_shape, len(_BLOCKS), "VGG-11")
        lengths = tuple((side + 2 * pad - 2) >> len(_BLOCKS) for side, pad in zip(spatial_shape, padding, strict=True))
        layers: list[nn.Module] = []
        for block in _BLOCKS:
            for factor in block:
                around = padding if not layers else (1,) * axes
                layers += [convolution(axes, channels, factor * width, 3, padding=around)]
                channels = factor * width
                layers += [norm(norm_name, channels, axes), nn.ReLU()]
            layers += [(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1](2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels * torch.Size(lengths).numel(), classes, device="meta")
        draw_parameters(self, generator, device)

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, *spatial) images."""
        features: Tensor = self.features(images)
        return features.flatten(1)
