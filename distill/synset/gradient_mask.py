"""The mask strategy ``gradient``: keeps the frequencies at which a loss has the largest gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.masks import best_frequencies
from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.synset import FrequencySynset
from fredfmt.model.data import FreDData
from fredfmt.transforms import live_frequencies, spatial_size

_NETWORKS = 20
"""The number of networks whose gradients are summed."""


def with_all_frequencies(config: DistillConfig, source: Source) -> DistillConfig:
    """The settings with as many instances per class, but all frequencies."""
    shape = source.spatial_shape
    every = int(live_frequencies(config.frequencies.transform, shape).sum())
    count = config.instances_per_class(shape)
    return config.replace(k=every, ipc=count * every / spatial_size(shape), mask="low")


def gradient_mask(
    start: FreDData, k: int, gradient: Callable[[FrequencySynset, int], Tensor], device: torch.device | str
) -> NDArray[Any]:
    """(class, frequency) flat indices of the ``k`` frequencies of each class with the largest gradients.

    Magnitudes are summed over instances, channels and several networks. ``start`` contains the initial images with all
    frequencies; ``gradient(synset, number)`` returns the gradient of the coefficients by the network of that number.
    """
    synset = FrequencySynset.from_data(start, device=device)
    nothing = torch.zeros(len(start), start.k, device=device)
    magnitude = sum((gradient(synset, number).abs().sum(1) for number in range(_NETWORKS)), nothing)
    shape, classes = start.metadata.spatial_shape, len(start.metadata.classes)
    score = np.zeros((classes, start.k))
    np.add.at(score, start.mask_of.astype(np.intp), magnitude.cpu().numpy())
    by_frequency = np.full((classes, spatial_size(shape)), -np.inf)
    np.put_along_axis(by_frequency, start.frequencies.astype(np.intp), score, axis=1)
    return best_frequencies(by_frequency, shape, k)
