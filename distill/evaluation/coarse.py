"""Real images as quantisation shows them, for a network that should recognise both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fredfmt.codec.inputs import ChannelTransform
from fredfmt.codec.synthesis import synthesise
from fredfmt.distill.augment import per_image
from fredfmt.transforms import synthesis_matrix

_FINEST, _COARSEST = 1 / 32, 1 / 4
"""The range of the steps of normalised images, in units of the square root of the number of positions, to which the
coefficients of an image are proportional: 1 to 8 for 32x32."""
_OF_ROW, _OF_STEP = 0.6180339887498949, 0.41421356237309515
"""Irrational numbers, whose multiples are spread evenly between integers."""


class Coarse:
    """Changes half of all images: their coefficients become multiples of a step, which is drawn for each image each
    time it is read. ``shape`` is that of an image (C, *spatial).

    >>> images = torch.rand(100, 1, 8, 8)
    >>> read = Coarse((1, 8, 8), "dct", "cpu").reader(lambda rows: images[rows], time=0)
    >>> round(float(read(torch.arange(100)).ne(images).any(dim=(1, 2, 3)).float().mean()), 1)
    0.5
    """

    def __init__(
        self,
        shape: Sequence[int],
        transform: str,
        device: torch.device | str,
        *,
        channel_transform: ChannelTransform = "none",
    ) -> None:
        names = ["identity" if channel_transform == "none" else "dct", *(transform for _ in shape[1:])]
        matrices = [synthesis_matrix(name, length) for name, length in zip(names, shape, strict=True)]
        self._unit = math.sqrt(math.prod(shape[1:]))
        self._synthesis = [torch.from_numpy(matrix.astype(np.float32)).to(device) for matrix in matrices]
        self._analysis = [matrix.T for matrix in self._synthesis]

    def reader(self, read: Callable[[Tensor], Tensor], time: int) -> Callable[[Tensor], Tensor]:
        """A function that reads the images of ``rows``, (B,) int64 on the CPU, as ``read`` does, and changes half of
        them. It changes the same ones for the same ``time``, the number of an optimizer step."""
        return partial(self._read, read, time)

    def _read(self, read: Callable[[Tensor], Tensor], time: int, rows: Tensor) -> Tensor:
        images = read(rows)
        drawn = (rows.numpy() * _OF_ROW + time * _OF_STEP) % 1
        chosen = np.flatnonzero(drawn < 0.5)
        steps = (self._unit * _FINEST * (_COARSEST / _FINEST) ** (2 * drawn[chosen])).astype(np.float32)
        there, of_each = (torch.from_numpy(one).to(images.device, non_blocking=True) for one in (chosen, steps))
        return images.index_copy(0, there, self._rounded(images.index_select(0, there), of_each))

    def _rounded(self, images: Tensor, steps: Tensor) -> Tensor:
        spectra = synthesise(images[:, None], self._analysis)  # the channels are one of the axes
        steps = per_image(steps, spectra)
        return synthesise((spectra / steps).round() * steps, self._synthesis)[:, 0]
