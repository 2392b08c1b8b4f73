"""AlexNet for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.distill.networks.parts import Classifier, convolution, draw_parameters, first_padding

_LAYERS = ((128, 5, True), (192, 5, True), (256, 3, False), (192, 3, False), (192, 3, True))
"""For each convolution: channels at the published width of 128, kernel size, and whether max pooling follows."""


class AlexNet(Classifier):
    """Five convolutions with ReLU, three max poolings and one linear layer, without norms: the variant of Krizhevsky's
    network (2012) in Dataset Condensation. The published width is 128.
    """

    def __init__(
        self,
        channels: int,
        spatial_shape: tuple[int, ...],
        classes: int,
        *,
        width: int = 128,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        axes, padding = len(spatial_shape), first_padding(spatial_shape, 3, "AlexNet")
        lengths = tuple((side + 2 * pad - 2) >> 3 for side, pad in zip(spatial_shape, padding, strict=True))
        layers: list[nn.Module] = []
        for published, kernel, pooled in _LAYERS:
            around = tuple(pad + 1 for pad in padding) if not layers else (kernel // 2,) * axes
            scaled = max(1, published * width // 128)
            layers += [convolution(axes, channels, scaled, kernel, padding=around), nn.ReLU()]
            channels = scaled
            if pooled:
                layers += [(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1](2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels * torch.Size(lengths).numel(), classes, device="meta")
        draw_parameters(self, generator, device)

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, *spatial) images."""
        features: Tensor = self.features(images)
        return features.flatten(1)
