"""A step of training a network: its images and its gradients, with bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt.codec.decoding import decode
from fredfmt.data.sources import Source
from fredfmt.data.sources.source import HELD_BYTES
from fredfmt.distill.augment import Augmentation
from fredfmt.distill.networks.room import Room
from fredfmt.model.data import FreDData

MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4
"""Settings of SGD in the protocols of the evaluation, and in objectives that train networks in the same way."""
BATCH, LR = 64, 0.05
"""Images of a step, and the highest learning rate, of such objectives."""


def share_of_rate(step: int, steps: int) -> float:
    """The factor of the learning rate in a step of training: it rises linearly over a tenth of the steps and then falls
    to zero.

    >>> [round(share_of_rate(step, 100), 2) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.01]
    """
    peak = max(1, steps // 10)
    return min((step + 1) / peak, (steps - step) / max(1, steps - peak))


def reader(images: Tensor | Source | FreDData, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from (B,) indices on the CPU to (B, C, *spatial) images on ``device``.

    A tensor is on the device already, and a source is read batch by batch. A dataset is decoded once, or, if all of its
    images would take too much memory of a CPU, batch by batch.
    """
    if isinstance(images, Source):
        batch = images.batch
        return lambda rows: torch.from_numpy(batch(rows.numpy())).to(device, non_blocking=True)
    if isinstance(images, FreDData) and device.type == "cpu":
        size = 4 * len(images) * images.metadata.channels * math.prod(images.metadata.spatial_shape)
        if size > HELD_BYTES:
            return partial(decode, images)
    there = decode(images, device=device) if isinstance(images, FreDData) else images
    return lambda rows: there.index_select(0, rows.to(device, non_blocking=True))


def add_gradients(
    network: nn.Module,
    read: Callable[[Tensor], Tensor],
    rows: Tensor,
    wanted: Tensor,
    augmentation: Augmentation,
    room: Room,
) -> Tensor:
    """Add the gradients of the mean cross-entropy of a batch, a part at a time.

    ``read`` returns the images of ``rows``, (N,) int64 on the CPU, and ``wanted`` are their labels. The loss, a scalar
    without a gradient, is returned.
    """
    losses = []
    for part in room.parts(len(rows), again=False):
        images = augmentation.of(part)(read(rows[part]))
        loss = F.cross_entropy(network(images), wanted[part]) * (len(images) / len(rows))
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return torch.stack(losses).sum()
