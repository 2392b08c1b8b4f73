"""Batches of real images with the same number of images of every class, from a `Source`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.data.sources import Source
from fredfmt.errors import SourceError

_NAMED = 10
"""The largest number of classes that an error lists."""


class RealImages:
    """The images of a source by class, which are read when they are needed; only their indices are in memory.

    Raises `SourceError` if a class has no image.
    """

    def __init__(self, source: Source, device: torch.device | str = "cpu") -> None:
        self.source = source
        """The source in the space of the networks."""
        self._device = torch.device(device)
        self._of_class = [np.flatnonzero(source.labels == label) for label in range(len(source.classes))]
        for name, members in zip(source.classes, self._of_class, strict=True):
            if not len(members):
                there = ",".join(source.classes[label] for label in np.unique(source.labels)[:_NAMED])
                hint = f"Choose the classes that have images: --classes {there}"
                raise SourceError("a class has no image", where=f"{source.name}: class {name}", hint=hint)

    def batch(
        self, per_class: int, generator: torch.Generator, classes: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """``per_class`` random images of each class, or all if it has fewer, class by class, without repeats.

        (B, C, *spatial) float32 in the normalised space of the source and (B,) int64 labels, on the device. For some
        ``classes``, only these images are read; they are those that a batch of all classes has.
        """
        rows, labels = self.draw(per_class, generator, classes)
        return self.images(rows), labels

    def draw(
        self, per_class: int, generator: torch.Generator, classes: Sequence[int] | None = None
    ) -> tuple[NDArray[np.int64], Tensor]:
        """The rows in the source of the images of `batch`, (B,) int64, and their labels on the device."""
        drawn = [members[_permutation(len(members), generator)[:per_class]] for members in self._of_class]
        wanted = range(len(drawn)) if classes is None else classes
        chosen = [drawn[label] for label in wanted]
        labels = np.repeat(np.array(wanted), [len(members) for members in chosen])
        return np.concatenate(chosen), torch.from_numpy(labels).to(self._device, non_blocking=True)

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, C, *spatial) float32 images at ``rows`` of the source, normalised, on the device."""
        return torch.from_numpy(self.source.batch(rows)).to(self._device, non_blocking=True)

    def counts(self, per_class: int, classes: Sequence[int]) -> list[int]:
        """The number of images of each of ``classes`` in a batch."""
        return [min(per_class, len(self._of_class[label])) for label in classes]


def _permutation(count: int, generator: torch.Generator) -> NDArray[np.int64]:
    order: NDArray[np.int64] = torch.randperm(count, generator=generator, device="cpu").numpy()
    return order
