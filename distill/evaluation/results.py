"""Results of an evaluation: accuracies with means and errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig


@dataclass(frozen=True)
class CorruptedAccuracy:
    """Accuracies on one corruption at one severity."""

    name: str
    severity: int
    accuracies: tuple[float, ...]
    """Shares of correct predictions, 0..1, by seed."""

    @property
    def mean(self) -> float:
        """The mean over the networks."""
        return statistics.fmean(self.accuracies)


@dataclass(frozen=True)
class Robustness:
    """Accuracies of networks on corrupted test images, and their accuracies on clean ones.

    >>> config = CorruptionConfig(("gaussian_noise",), severities=(3,))
    >>> found = Robustness(config, (CorruptedAccuracy("gaussian_noise", 3, (0.4, 0.5)),), clean=(0.9, 0.9))
    >>> round(found.mean, 3), round(found.relative_drop, 3)
    (0.45, 0.5)
    """

    config: CorruptionConfig
    each: tuple[CorruptedAccuracy, ...]
    clean: tuple[float, ...]
    """Accuracies of the networks on clean images."""

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The mean of each network over corruptions and severities, all with the same weight."""
        return tuple(map(statistics.fmean, zip(*(one.accuracies for one in self.each), strict=True)))

    @property
    def mean(self) -> float:
        """Mean corrupted accuracy."""
        return statistics.fmean(self.accuracies)

    @property
    def relative_drop(self) -> float:
        """The lost share of the clean accuracy: ``1 - corrupted / clean``, with means over the networks."""
        clean = statistics.fmean(self.clean)
        return 1 - self.mean / clean if clean else math.nan

    def of(self, name: str) -> float:
        """The mean accuracy on one corruption, over severities."""
        return statistics.fmean(one.mean for one in self.each if one.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "accuracy": rounded(self.mean),
            **_spread(self.accuracies),
            "relative_drop": rounded(self.relative_drop),
            "accuracies": list(map(rounded, self.accuracies)),
            "severities": list(self.config.severities),
            "seed": self.config.seed,
            "each": [
                {
                    "corruption": one.name,
                    "severity": one.severity,
                    "accuracy": rounded(one.mean),
                    "accuracies": list(map(rounded, one.accuracies)),
                }
                for one in self.each
            ],
        }


@dataclass(frozen=True)
class Evaluation:
    """Accuracies on real test images, one per trained network.

    >>> from fredfmt.distill import EvaluationConfig
    >>> result = Evaluation(EvaluationConfig(), "digits test", 500, (0.75, 0.85))
    >>> round(result.mean, 3), round(result.standard_error, 3)
    (0.8, 0.05)
    """

    config: EvaluationConfig
    source: str
    """Name and split of the test images."""
    images: int
    """The number of test images."""
    accuracies: tuple[float, ...]
    """Shares of correct predictions, 0..1, by seed."""
    robustness: Robustness | None = None
    """Accuracies on corrupted test images, if they were requested."""
    parameters: int | None = None
    """The number of parameters of one network."""

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return statistics.fmean(self.accuracies)

    @property
    def std(self) -> float:
        """Sample standard deviation over the networks (divisor ``n - 1``); NaN for a single network."""
        return standard_deviation(self.accuracies)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean."""
        return standard_error(self.accuracies)

    def to_json(self) -> dict[str, Any]:
        """JSON values for ``Metadata.results`` and ``--json``: accuracies in 0..1 and the whole protocol."""
        document = {
            "accuracy": rounded(self.mean),
            **_spread(self.accuracies),
            "accuracies": list(map(rounded, self.accuracies)),
            "test": self.source,
            "images": self.images,
            **self.config.used(),
        }
        if self.parameters is not None:
            document["parameters"] = self.parameters
        if self.robustness is not None:
            document["corruptions"] = self.robustness.to_json()
        return document


def gain(first: Evaluation, second: Evaluation) -> tuple[float, float]:
    """The difference between the mean accuracies of ``first`` and ``second``, in 0..1, and its standard error.

    The two are treated as independent: the error is the root of the sum of squared errors. It is NaN for a single
    network.

    >>> from fredfmt.distill import EvaluationConfig
    >>> left, right = (Evaluation(EvaluationConfig(), "digits test", 9, found) for found in ((0.5, 0.7), (0.3, 0.5)))
    >>> difference, error = gain(left, right)
    >>> round(difference, 3), round(error, 3)
    (0.2, 0.141)
    """
    return first.mean - second.mean, math.hypot(first.standard_error, second.standard_error)


def standard_deviation(values: Sequence[float]) -> float:
    """The sample standard deviation, with the divisor ``n - 1``; NaN for a single value.

    >>> round(standard_deviation((1, 2, 4)), 3)
    1.528
    """
    return statistics.stdev(values) if len(values) > 1 else math.nan


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean; NaN for a single value.

    >>> round(standard_error((1, 2, 4)), 3)
    0.882
    """
    return standard_deviation(values) / math.sqrt(len(values))


def rounded(value: float) -> float | None:
    """To six decimals, as results are stored; None for NaN."""
    return round(value, 6) if math.isfinite(value) else None


def _spread(accuracies: Sequence[float]) -> dict[str, float | None]:
    return {"std": rounded(standard_deviation(accuracies)), "standard_error": rounded(standard_error(accuracies))}
