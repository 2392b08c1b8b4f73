"""The small convolutional network that is commonly used in dataset distillation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.distill.networks.convolving import convolve
from fredfmt.distill.networks.fused import norm_relu_pool
from fredfmt.distill.networks.parts import Classifier, convolution, draw_parameters, first_padding, norm

_POOLING = {
    "avg": (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    "max": (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
}


class ConvNet(Classifier):
    """``depth`` blocks of 3-wide convolution, norm, ReLU and pooling by two, then a linear layer, over 1, 2 or 3 axes.

    The network of Gidaris and Komodakis (2018) as in Zhao, Mopuri and Bilen (Dataset Condensation, 2021); with three
    axes, that of FreD's 3D-MNIST. With instance norm, the features of an image do not depend on the rest of its batch.
    """

    def __init__(
        self,
        channels: int,
        spatial_shape: tuple[int, ...],
        classes: int,
        *,
        width: int = 128,
        depth: int = 3,
        norm_name: str = "instance",
        pooling: str = "avg",
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        axes = len(spatial_shape)
        paddings = [first_padding(spatial_shape, depth, f"a ConvNet of depth {depth}")] + [(1,) * axes] * (depth - 1)
        layers: list[nn.Module] = []
        lengths = spatial_shape
        for block, padding in enumerate(paddings):
            lengths = tuple((length + 2 * pad - 2) // 2 for length, pad in zip(lengths, padding, strict=True))
            layers += [
                convolution(axes, width if block else channels, width, 3, padding=padding),
                norm(norm_name, width, axes),
                nn.ReLU(),
                _POOLING[pooling][axes - 1](2),
            ]
        self.features = nn.Sequential(*layers)
        self._fused = axes == 2 and norm_name == "instance" and pooling == "avg"
        self.head = nn.Linear(width * torch.Size(lengths).numel(), classes, device="meta")
        draw_parameters(self, generator, device)

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, *spatial) images."""
        if not self._fused:
            features: Tensor = self.features(images)
            return features.flatten(1)
        for block, (layer, normalize) in enumerate(zip(self.features[::4], self.features[1::4], strict=True)):
            images = convolve(layer, images, first=block == 0)
            images = norm_relu_pool(images, normalize.weight, normalize.bias, normalize.eps)  # type: ignore[arg-type]
        return images.flatten(1)
