"""The small convolutional network that dataset distillation is measured with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.errors import ArgumentError


class ConvNet(nn.Module):
    """``depth`` blocks of 3x3 convolution, instance norm, ReLU and 2x2 average pooling, then a linear layer.

    The network of Gidaris and Komodakis (2018) in the form of Zhao, Mopuri and Bilen (Dataset Condensation, 2021). The
    first convolution pads each side towards a multiple of ``2**depth``, so that no border is lost in pooling: 28 pixels
    become 32, as in that paper. Instance norm makes every image's features independent of the rest of its batch.

    Parameters
    ----------
    channels, spatial_shape, classes
        Shapes of what goes in and out; two spatial axes of any lengths of at least ``2**depth``.
    width, depth
        Channels of the convolutions, and their number.
    generator
        A CPU generator that all parameters are drawn from, uniformly within ``1 / sqrt(fan_in)``.
    device
        Where the parameters are put.
    """

    def __init__(
        self,
        channels: int,
        spatial_shape: tuple[int, ...],
        classes: int,
        *,
        width: int = 128,
        depth: int = 3,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if len(spatial_shape) != 2 or min(spatial_shape) < 2**depth:
            raise ArgumentError(
                f"images do not fit a ConvNet of depth {depth}",
                expected=f"two spatial axes of at least {2**depth} pixels",
                found=spatial_shape,
                hint="Use a smaller depth",
            )
        layers: list[nn.Module] = []
        rows, columns = spatial_shape
        for block in range(depth):
            down, across = (1 if block else 1 + (-side % 2**depth) // 2 for side in (rows, columns))
            rows, columns = (rows + 2 * down - 2) // 2, (columns + 2 * across - 2) // 2
            convolution = nn.Conv2d(width if block else channels, width, 3, padding=(down, across), device="meta")
            layers += [convolution, nn.GroupNorm(width, width, device="meta"), nn.ReLU(), nn.AvgPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width * rows * columns, classes, device="meta")
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                bound = layer.weight[0].numel() ** -0.5
                for name, empty in list(layer.named_parameters()):
                    drawn = torch.empty(empty.shape, device="cpu").uniform_(-bound, bound, generator=generator)
                    setattr(layer, name, nn.Parameter(drawn.to(device)))
            elif isinstance(layer, nn.GroupNorm):
                layer.weight = nn.Parameter(torch.ones(width, device=device))
                layer.bias = nn.Parameter(torch.zeros(width, device=device))

    def embed(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images to (N, feature)."""
        features: Tensor = self.features(images)
        return features.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images to (N, class) scores."""
        scores: Tensor = self.head(self.embed(images))
        return scores
