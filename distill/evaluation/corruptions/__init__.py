"""Corruptions of test images in 0..1, such as noise, blur and compression.

A corruption is a function ``(images, severity, draws) -> images`` of a batch, with a generator for each image, so that
the result for an image depends only on the seed, the corruption and the index of the image, and not on other images.
The draws are the same for all severities. Corruptions are computed on the CPU, *before* images are normalised. Lengths
are relative to the sides of the image, so that images of 8 and of 256 pixels are affected similarly.

After Hendrycks and Dietterich (Benchmarking Neural Network Robustness, ICLR 2019), but with other parameters, so
accuracies cannot be compared with published ones. To add a corruption, add a function to a module of this package and a
line to `CORRUPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.views import Images, RowIndex, View, unit
from fredfmt.distill.evaluation.corruptions.blur import gaussian_blur, motion_blur
from fredfmt.distill.evaluation.corruptions.coding import jpeg, pixelate
from fredfmt.distill.evaluation.corruptions.draws import Draws
from fredfmt.distill.evaluation.corruptions.geometry import elastic, rotate, translate
from fredfmt.distill.evaluation.corruptions.light import brightness, contrast, fog
from fredfmt.distill.evaluation.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from fredfmt.distill.evaluation.settings import SEVERITIES, CorruptionConfig
from fredfmt.distill.runtime.randomness import generator
from fredfmt.errors import ArgumentError, quoted

Corruption = Callable[[Tensor, int, Draws], Tensor]
"""From (N, C, H, W) images in 0..1, a severity of 1 to 5 and a generator per image to images, which are clipped."""

CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "gaussian_noise": gaussian_noise,
        "shot_noise": shot_noise,
        "impulse_noise": impulse_noise,
        "gaussian_blur": gaussian_blur,
        "motion_blur": motion_blur,
        "contrast": contrast,
        "brightness": brightness,
        "fog": fog,
        "pixelate": pixelate,
        "jpeg": jpeg,
        "elastic": elastic,
        "rotate": rotate,
        "translate": translate,
    }
)

__all__ = ["CORRUPTIONS", "Corrupted", "Corruption", "check_images", "corrupt", "corruption_names"]


def corrupt(images: Tensor, name: str, severity: int, *, seed: int = 0, indices: NDArray[Any] | None = None) -> Tensor:
    """Corrupt (N, C, H, W) images in 0..1. Returns float32 images in 0..1.

    ``indices`` are the indices of the images in their dataset, which determine the draws; None: 0 to N - 1. Raises
    `ArgumentError` for a name that is not in `CORRUPTIONS`, a severity other than 1 to 5, or images without two spatial
    axes.
    """
    if not isinstance(name, str) or name not in CORRUPTIONS:
        raise ArgumentError("no such corruption", expected=", ".join(CORRUPTIONS), found=quoted(name))
    if severity not in SEVERITIES:
        raise ArgumentError("no such severity", where=name, expected="1 to 5", found=severity)
    check_images(images.shape)
    if not len(images):
        return images
    numbers = range(len(images)) if indices is None else indices.tolist()
    draws = [generator(seed, f"corruption {name}", number) for number in numbers]
    return CORRUPTIONS[name](images.to("cpu", torch.float32), severity, draws).clamp(0, 1)


def check_images(shape: Sequence[int]) -> None:
    """Raise `ArgumentError` for a shape that is not (N, C, height, width)."""
    if len(shape) != 4:
        raise ArgumentError("only images can be corrupted", expected="(N, C, height, width)", found=tuple(shape))


def corruption_names(config: CorruptionConfig) -> tuple[str, ...]:
    """The corruptions of a configuration; all if it names none. Raises `ArgumentError` for an unknown name."""
    if unknown := [name for name in config.names if name not in CORRUPTIONS]:
        raise ArgumentError("no such corruption", expected=", ".join(CORRUPTIONS), found=quoted(unknown[0]))
    return config.names or tuple(CORRUPTIONS)


class Corrupted(View):
    """Corrupted images in 0..1; the result for a row does not depend on the other rows."""

    def __init__(self, images: Images, name: str, severity: int, *, seed: int = 0) -> None:
        super().__init__(images)
        self._name, self._severity, self._seed = name, severity, seed

    def __getitem__(self, rows: RowIndex, /) -> NDArray[np.float32]:
        clean = self._images[rows].astype(np.float32) / np.float32(unit(self._images.dtype))
        indices = np.arange(len(self))[rows]
        corrupted = corrupt(torch.from_numpy(clean), self._name, self._severity, seed=self._seed, indices=indices)
        return corrupted.numpy()
