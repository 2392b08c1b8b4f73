"""A small vision transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.distill.networks.parts import Classifier, draw_parameters
from fredfmt.errors import ArgumentError

_HEADS = 4


class ViT(Classifier):
    """Patches of an eighth of the smaller side (at most 16 pixels), a class token, learned positions, ``depth``
    pre-norm transformer layers of ``4 * width`` features (Dosovitskiy et al., 2021), and a linear layer on the class
    token.
    """

    def __init__(
        self,
        channels: int,
        spatial_shape: tuple[int, ...],
        classes: int,
        *,
        width: int = 32,
        depth: int = 4,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if len(spatial_shape) != 2:
            raise ArgumentError("images do not fit a ViT", expected="two spatial axes", found=spatial_shape)
        features = _HEADS * width
        patch = min(16, max(1, min(spatial_shape) // 8))
        places = (spatial_shape[0] // patch) * (spatial_shape[1] // patch)
        self.patches = nn.Conv2d(channels, features, patch, patch, device="meta")
        self.token = nn.Parameter(torch.empty(1, 1, features, device="meta"))
        self.positions = nn.Parameter(torch.empty(1, places + 1, features, device="meta"))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                features, _HEADS, 4 * features, 0.0, "gelu", batch_first=True, norm_first=True, device="meta"
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(features, device="meta")
        self.head = nn.Linear(features, classes, device="meta")
        draw_parameters(self, generator, device)

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, H, W) images."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        features: Tensor = torch.cat([self.token.expand(len(images), -1, -1), patches], 1) + self.positions
        for layer in self.layers:
            features = layer(features)
        normed: Tensor = self.norm(features[:, 0])
        return normed
