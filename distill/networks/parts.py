"""Common parts of the networks: norms, padding, and the drawing of parameters from a generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fredfmt.errors import ArgumentError

_GROUPS = 4


class Classifier(nn.Module):
    """A network with a linear layer, ``head``, on the features of ``embed``."""

    head: nn.Module

    def embed(self, images: Tensor) -> Tensor:
        """(N, feature) features of (N, C, *spatial) images."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """(N, class) scores of (N, C, *spatial) images."""
        scores: Tensor = self.head(self.embed(images))
        return scores


def norm(name: str, width: int, axes: int = 2) -> nn.Module:
    """A norm over ``width`` channels: instance, batch, group (four groups of channels), or none."""
    if name == "batch":
        return (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes - 1](width, device="meta")
    if name == "none":
        return nn.Identity()
    groups = width if name == "instance" else _GROUPS
    if width % groups:
        raise ArgumentError("the width does not fit group norm", expected=f"a multiple of {groups}", found=width)
    return nn.GroupNorm(groups, width, device="meta")


def convolution(axes: int, channels: int, width: int, kernel: int, *, padding: int | tuple[int, ...]) -> nn.Module:
    """A convolution over 1, 2 or 3 spatial axes, on the meta device."""
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](channels, width, kernel, padding=padding, device="meta")  # type: ignore[arg-type]


def first_padding(spatial_shape: tuple[int, ...], depth: int, name: str) -> tuple[int, ...]:
    """The padding of a first 3-wide convolution with which ``depth`` layers can halve the sides without losing a
    border.

    Each side is enlarged to a multiple of ``2**depth``; for example 28 pixels to 32 at depth 3, as in the published
    networks. Raises `ArgumentError` for images that are too small, or would have to be enlarged by more than an eighth
    on each side.
    """
    paddings = tuple((-side % 2**depth) // 2 for side in spatial_shape)
    fits = all(
        side + 2 * padding >= 2**depth and (side >= 2**depth or 8 * padding <= side)
        for side, padding in zip(spatial_shape, paddings, strict=True)
    )
    if not 1 <= len(spatial_shape) <= 3 or not fits:
        raise ArgumentError(
            f"images do not fit {name}",
            expected=f"1 to 3 spatial axes of at least about {2**depth} pixels",
            found=spatial_shape,
            hint="Use larger images, or a convnet of a smaller depth, which halves them less often",
        )
    return tuple(1 + padding for padding in paddings)


def draw_parameters(network: nn.Module, generator: torch.Generator, device: torch.device | str) -> None:
    """Initialise the parameters of a network on the meta device: ones and zeros in norms, otherwise uniform numbers
    within ``1 / sqrt(fan_in)`` as in torch's layers, drawn from ``generator`` in the order of the modules."""
    for module in network.modules():
        parameters = list(module.named_parameters(recurse=False))
        weight = next((part for name, part in parameters if part.ndim > 1), None)
        for name, empty in parameters:
            if isinstance(module, nn.GroupNorm | nn.LayerNorm | nn.modules.batchnorm._BatchNorm):
                value = torch.full(empty.shape, float(name == "weight"), device="cpu")
            else:
                bound = (empty if weight is None or empty.ndim > 1 else weight)[0].numel() ** -0.5
                value = torch.empty(empty.shape, device="cpu").uniform_(-bound, bound, generator=generator)
            setattr(module, name, nn.Parameter(value.to(device)))
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.to_empty(device=device, recurse=False)
            module.reset_parameters()
