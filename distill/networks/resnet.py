"""ResNet-18 for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.distill.networks.parts import Classifier, draw_parameters, norm
from fredfmt.errors import ArgumentError


class ResNet18(Classifier):
    """A 3x3 convolution, eight blocks of two convolutions, the mean over positions and a linear layer: He et al. (2016)
    for images of 32 pixels, without the first pooling. The published width is 64.
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
        if len(spatial_shape) != 2 or (norm_name == "instance" and min(spatial_shape) < 9):
            raise ArgumentError(
                "images do not fit ResNet-18", expected="two spatial axes of at least 9 pixels", found=spatial_shape
            )
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 3, padding=1, bias=False, device="meta"),
            norm(norm_name, width),
            nn.ReLU(),
        ]
        inside = width
        for stage in range(4):
            for stride in (1 if stage == 0 else 2, 1):
                layers.append(_Block(inside, width << stage, stride, norm_name))
                inside = width << stage
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inside, classes, device="meta")
        draw_parameters(self, generator, device)

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, H, W) images."""
        features: Tensor = self.features(images)
        return features.mean((2, 3))


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, norm_name: str) -> None:
        super().__init__()

        def convolved(channels: int, kernel: int, step: int) -> list[nn.Module]:
            layer = nn.Conv2d(channels, outside, kernel, step, kernel // 2, bias=False, device="meta")
            return [layer, norm(norm_name, outside)]

        self.path = nn.Sequential(*convolved(inside, 3, stride), nn.ReLU(), *convolved(outside, 3, 1))
        straight = stride == 1 and inside == outside
        self.shortcut = nn.Identity() if straight else nn.Sequential(*convolved(inside, 1, stride))

    def forward(self, features: Tensor) -> Tensor:
        total: Tensor = self.path(features) + self.shortcut(features)
        return total.relu()
