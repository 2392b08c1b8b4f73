"""First and second moments of the spectra of each class, gathered batch by batch in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ClassStatistics:
    """Count, mean and variance of every coefficient in every class, float64.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque (1979), so that large means cost no precision.
    """

    def __init__(self, classes: int, channels: int, frequencies: int) -> None:
        self.count = np.zeros(classes, np.int64)
        """(class,) images seen."""
        self.mean = np.zeros((classes, channels, frequencies))
        """(class, channel, frequency)."""
        self._scatter = np.zeros((classes, channels, frequencies))

    def __len__(self) -> int:
        return len(self.count)

    def update(self, spectra: NDArray[Any], labels: NDArray[Any]) -> None:
        """Add a batch: spectra (instance, channel, frequency) and their classes (instance,)."""
        for label in np.unique(labels):
            batch = spectra[labels == label].astype(np.float64)
            seen, new = self.count[label], len(batch)
            mean = batch.mean(axis=0)
            shift = mean - self.mean[label]
            self._scatter[label] += np.square(batch - mean).sum(axis=0) + np.square(shift) * (seen * new / (seen + new))
            self.mean[label] += shift * (new / (seen + new))
            self.count[label] += new

    @property
    def variance(self) -> NDArray[np.float64]:
        """(class, channel, frequency), the population variance; zero for a class of one image."""
        return self._scatter / np.maximum(self.count, 1)[:, None, None]

    @property
    def power(self) -> NDArray[np.float64]:
        """(class, channel, frequency), the mean square."""
        return self.variance + np.square(self.mean)

    @property
    def within(self) -> NDArray[np.float64]:
        """(channel, frequency), the variance within classes, all images weighing the same."""
        weighted: NDArray[np.float64] = self._scatter.sum(axis=0) / max(self.count.sum(), 1)
        return weighted

    @property
    def between(self) -> NDArray[np.float64]:
        """(channel, frequency), the variance of the class means, all images weighing the same."""
        share = (self.count / max(self.count.sum(), 1))[:, None, None]
        weighted: NDArray[np.float64] = (share * np.square(self.mean - (share * self.mean).sum(axis=0))).sum(axis=0)
        return weighted

    def describe(self, frequencies: NDArray[Any]) -> dict[str, float]:
        """What share of the variance within the classes, and of that between them, masks (class, frequency) keep.

        The share between classes counts, for each class, its own mask. Empty where nothing was gathered.
        """
        if not self.count.any():
            return {}
        chosen = frequencies.astype(np.intp)
        shares = {}
        for name, variance in (
            ("variance_kept", self.variance.sum(axis=1)),
            ("between_kept", np.tile(self.between.sum(axis=0), (len(self), 1))),
        ):
            kept = np.take_along_axis(variance, chosen, axis=1).sum()
            shares[name] = round(float(kept / max(variance.sum(), np.finfo(np.float64).tiny)), 4)
        return shares
