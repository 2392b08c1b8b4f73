"""First and second moments of the spectra of each class, accumulated batch by batch in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.spool import Spool
from fredfmt.model.blocks import blocks


class ClassStatistics:
    """Count, mean and variance of every coefficient in every class, float64.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque (1979), which keeps precision if means are
    large. The moments take 16 bytes per class, channel and frequency: up to 128 MiB in memory, in temporary files
    beyond.

    >>> statistics = ClassStatistics(2, 1, 3)
    >>> statistics.update(np.array([[[1, 2, 5]], [[3, 2, 1]], [[4, 4, 4]]]), np.array([0, 0, 1]))
    >>> [part.mean.tolist() for part in statistics.parts()]
    [[[[2.0, 2.0, 3.0]], [[4.0, 4.0, 4.0]]]]
    """

    def __init__(self, classes: int, channels: int, frequencies: int) -> None:
        self.count = np.zeros(classes, np.int64)
        """(class,) images seen."""
        self.means = Spool((classes, channels, frequencies), np.float64)
        """(class, channel, frequency)."""
        self.scatters = Spool((classes, channels, frequencies), np.float64)
        """(class, channel, frequency), the sums of squared differences from the mean."""

    def __len__(self) -> int:
        return len(self.count)

    def update(self, spectra: NDArray[Any], labels: NDArray[Any]) -> None:
        """Add a batch: spectra (instance, channel, frequency) and their classes (instance,)."""
        self.__dict__.pop("within", None)
        self.__dict__.pop("between", None)
        for label in np.unique(labels).tolist():
            batch, row = spectra[labels == label].astype(np.float64), slice(label, label + 1)
            seen, new = self.count[label], len(batch)
            mean, before = batch.mean(axis=0), self.means[row]
            shift = mean - before
            scatter = np.square(batch - mean).sum(axis=0) + np.square(shift) * (seen * new / (seen + new))
            self.scatters[row] = self.scatters[row] + scatter
            self.means[row] = before + shift * (new / (seen + new))
            self.count[label] += new

    def parts(self) -> Iterator[Moments]:
        """The moments of all classes in order, a few classes at a time."""
        for classes in blocks(len(self), 8 * int(np.prod(self.means.shape[1:]))):
            yield Moments(self, classes)

    @cached_property
    def within(self) -> NDArray[np.float64]:
        """(channel, frequency), the variance within classes, all images with the same weight."""
        total = sum((part.scatter.sum(axis=0) for part in self.parts()), np.zeros(self.means.shape[1:]))
        weighted: NDArray[np.float64] = total / max(self.count.sum(), 1)
        return weighted

    @cached_property
    def between(self) -> NDArray[np.float64]:
        """(channel, frequency), the variance of the class means, all images with the same weight."""
        nothing = np.zeros(self.means.shape[1:])
        mean = sum(((part.share * part.mean).sum(axis=0) for part in self.parts()), nothing)
        return sum(((part.share * np.square(part.mean - mean)).sum(axis=0) for part in self.parts()), nothing)

    def describe(self, frequencies: NDArray[Any]) -> dict[str, float]:
        """The shares of the variance within classes and between classes that masks (class, frequency) keep.

        For the share between classes, each class contributes with its own mask. Empty if no batch was added.
        """
        if not self.count.any():
            return {}
        chosen, between = frequencies.astype(np.intp), self.between.sum(axis=0)
        kept, total = np.zeros(2), np.zeros(2)
        for part in self.parts():
            variance = part.variance.sum(axis=1)
            kept[0] += np.take_along_axis(variance, chosen[part.classes], axis=1).sum()
            kept[1] += between[chosen[part.classes]].sum()
            total += variance.sum(), len(part) * between.sum()
        shares = np.round(kept / np.maximum(total, np.finfo(np.float64).tiny), 4).tolist()
        return dict(zip(("variance_kept", "between_kept"), shares, strict=True))


class Moments:
    """The moments of a few classes, read when they are accessed; ``whole`` contains those of all classes."""

    def __init__(self, whole: ClassStatistics, classes: slice) -> None:
        self.whole, self.classes = whole, classes

    def __len__(self) -> int:
        return len(self.count)

    @property
    def count(self) -> NDArray[np.int64]:
        """(class,) images seen."""
        return self.whole.count[self.classes]

    @property
    def share(self) -> NDArray[np.float64]:
        """(class, 1, 1), the share of all images that each class has."""
        share: NDArray[np.float64] = (self.count / max(self.whole.count.sum(), 1))[:, None, None]
        return share

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """(class, channel, frequency)."""
        return self.whole.means[self.classes]

    @cached_property
    def scatter(self) -> NDArray[np.float64]:
        """(class, channel, frequency), the sums of squared differences from the mean."""
        return self.whole.scatters[self.classes]

    @property
    def variance(self) -> NDArray[np.float64]:
        """(class, channel, frequency), the population variance; zero for a class of one image."""
        return self.scatter / np.maximum(self.count, 1)[:, None, None]

    @property
    def power(self) -> NDArray[np.float64]:
        """(class, channel, frequency), the mean square."""
        return self.variance + np.square(self.mean)
