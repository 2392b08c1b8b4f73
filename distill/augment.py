"""Differentiable siamese augmentation.

After Zhao and Bilen (Dataset Condensation with Differentiable Siamese Augmentation, 2021): a strategy is a list of
operations, each a small change of colour or geometry with a few random parameters; one of them is drawn for each batch.
With one set of parameters for the whole batch, real and synthetic images are changed in the same way (siamese); with
one set per image, this is ordinary augmentation.

Positions outside of the image are padded with the values of its border. Zeros would be an unusual grey in a normalised
space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from fredfmt.errors import ArgumentError

Operation: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From (N, C, *spatial) images and (N or 1, 4) uniform draws in 0..1 to augmented images; differentiable."""

BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5
SHIFT, CUTOUT, SCALE, DEGREES = 0.125, 0.5, 1.2, 15.0
_DRAWS = 4
DEFAULT_AUGMENTATION = "color_crop_cutout_flip_scale_rotate"
UNMIRRORED = frozenset({"digits", "kmnist", "mnist", "svhn"})
"""Sources whose images lose or change their meaning when they are mirrored."""


def color(images: Tensor, draws: Tensor) -> Tensor:
    """Brightness by up to half a unit, saturation by 0 to 2 times, contrast by 0.5 to 1.5 times."""
    brightness, saturation, contrast = (per_image(draws[:, i], images) for i in range(3))
    images = images + (brightness - 0.5) * BRIGHTNESS
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (saturation * SATURATION) + grey
    level = images.mean(tuple(range(1, images.ndim)), keepdim=True)
    return (images - level) * (contrast + CONTRAST) + level


def crop(images: Tensor, draws: Tensor) -> Tensor:
    """A shift by up to an eighth of each side, in integer pixels."""
    for axis in range(2, images.ndim):
        length = images.shape[axis]
        reach = int(length * SHIFT + 0.5)
        shift = (draws[:, axis - 2] * (2 * reach + 1)).long() - reach
        source = (torch.arange(length, device=images.device) + shift[:, None]).clamp(0, length - 1)
        images = torch.take_along_dim(images, _along(source, axis, images), axis)
    return images


def cutout(images: Tensor, draws: Tensor) -> Tensor:
    """A rectangle of half the sides around a random pixel is set to zero."""
    inside = images.new_ones((), dtype=torch.bool)
    for axis in range(2, images.ndim):
        length = images.shape[axis]
        size = int(length * CUTOUT + 0.5)
        first = (draws[:, axis - 2] * length).long() - size // 2
        offset = torch.arange(length, device=images.device) - first[:, None]
        within = (offset >= 0) & (offset < size)
        inside = inside & _along(within, axis, images)
    return images.masked_fill(inside, 0)


def flip(images: Tensor, draws: Tensor) -> Tensor:
    """The image is mirrored horizontally with probability 0.5."""
    return torch.where(per_image(draws[:, 0] < 0.5, images), images.flip(-1), images)


def scale(images: Tensor, draws: Tensor) -> Tensor:
    """Each side is scaled by up to 1.2 times, independently."""
    smallest = 1 / SCALE
    factors = draws[:, : images.ndim - 2] * (SCALE - smallest) + smallest
    return _warp(images, torch.diag_embed(factors.flip(1)))


def rotate(images: Tensor, draws: Tensor) -> Tensor:
    """A rotation by up to 15 degrees in either direction, in the plane of the last two axes; images need not be
    square."""
    angle = (draws[:, 0] - 0.5) * 2 * (DEGREES / 180 * torch.pi)
    cosine, sine = angle.cos(), angle.sin()
    aspect = images.shape[-2] / images.shape[-1]
    return _warp(images, torch.stack([cosine, sine * -aspect, sine / aspect, cosine], 1).view(-1, 2, 2))


def _warp(images: Tensor, matrix: Tensor) -> Tensor:
    """Images sampled linearly after (N or 1, axes, axes) linear maps of the cube -1..1, with rows of (x, y, z) and x
    along the last axis. Axes without a map do not change."""
    framed = images if images.ndim > 3 else images.unsqueeze(2)  # torch cannot sample along one axis
    axes, mapped = framed.ndim - 2, matrix.shape[1]
    theta = torch.eye(axes, axes + 1, dtype=matrix.dtype, device=matrix.device).repeat(len(matrix), 1, 1)
    theta[:, :mapped, :mapped] = matrix
    grid = F.affine_grid(theta.expand(len(images), -1, -1), list(framed.shape), align_corners=False)
    sampled = F.grid_sample(framed, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled.view(images.shape)


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """(N or 1,) values in a shape that broadcasts with images."""
    return values.view(-1, *(1,) * (images.ndim - 1))


def _along(values: Tensor, axis: int, images: Tensor) -> Tensor:
    """(N or 1, length) values along an axis, in a shape that broadcasts with images."""
    return values.view(len(values), *(-1 if one == axis else 1 for one in range(1, images.ndim)))


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {"color": color, "crop": crop, "cutout": cutout, "flip": flip, "scale": scale, "rotate": rotate}
)


@dataclass(frozen=True)
class Augmentation:
    """An operation with its parameters, which can be applied to any number of batches."""

    operation: str | None
    draws: Tensor
    """(N or 1, 4) uniform draws in 0..1, on the CPU."""

    @classmethod
    def none(cls) -> Augmentation:
        """No change."""
        return cls(None, torch.empty(1, _DRAWS, device="cpu"))

    def of(self, part: slice) -> Augmentation:
        """The augmentation of a part of a batch."""
        return self if len(self.draws) == 1 else replace(self, draws=self.draws[part])

    def __call__(self, images: Tensor) -> Tensor:
        """Augmented images of the same shape (N, C, *spatial), on the same device."""
        if self.operation is None:
            return images
        return OPERATIONS[self.operation](images, self.draws.to(images.device, images.dtype, non_blocking=True))


def operations(strategy: str, axes: int = 2) -> tuple[str, ...]:
    """The operations of a strategy such as ``"color_crop_cutout_flip_scale_rotate"``; ``"none"`` has none.

    Raises `ArgumentError` for a name that is not in `OPERATIONS`, or that is impossible for this number of spatial
    axes.
    """
    names = () if strategy in ("", "none") else tuple(strategy.split("_"))
    if unknown := [name for name in names if name not in OPERATIONS]:
        raise ArgumentError(
            "no such augmentation", expected=f"names of {sorted(OPERATIONS)} joined by _, or none", found=unknown[0]
        )
    if "rotate" in names and axes < 2:
        fitting = "_".join(name for name in names if name != "rotate") or "none"
        raise ArgumentError(
            "signals along one axis cannot be rotated",
            expected="operations without rotate",
            found=strategy,
            hint=f"Use {fitting!r}",
        )
    return names


def augmentation_for(source: str, axes: int = 2) -> str:
    """The default strategy for a source of this name: `DEFAULT_AUGMENTATION` without operations that change the meaning
    of its images. Digits and letters are not mirrored, and signals along one axis are not rotated.

    >>> augmentation_for("digits")
    'color_crop_cutout_scale_rotate'
    """
    left_out = {"flip"} if source in UNMIRRORED else set()
    left_out |= {"rotate"} if axes < 2 else set()
    return "_".join(name for name in operations(DEFAULT_AUGMENTATION) if name not in left_out)


def draw_augmentation(names: tuple[str, ...], generator: torch.Generator, *, images: int = 1) -> Augmentation:
    """Draw one operation from ``names``, with one set of parameters (siamese) or one for each of ``images``."""
    if not names:
        return Augmentation(None, torch.empty(images, _DRAWS, device="cpu"))
    chosen = int(torch.randint(len(names), (), generator=generator, device="cpu"))
    return Augmentation(names[chosen], torch.rand(images, _DRAWS, generator=generator, device="cpu"))
