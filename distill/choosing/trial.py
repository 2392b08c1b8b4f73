"""Compares candidate settings on held-out images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch

from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.protocol import evaluate
from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.evaluation.teacher import Teacher
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.errors import BudgetError
from fredfmt.model.data import FreDData
from fredfmt.transforms import spatial_size

_SMALL = 256
"""The number of pixels of small images."""
UNROLLED = 1 / 2
"""Iterations of `unroll` for each of `frepo`: one takes as long as several."""


@dataclass(frozen=True)
class Cost:
    """The amounts of computation of an effort."""

    iterations: int
    teacher_steps: int
    trial_iterations: int
    """Iterations of the short runs of a trial."""
    trial_steps: int
    """Optimizer steps of the networks of a trial."""
    trial_seeds: int
    unrolling: bool = True
    """Whether unrolled training is tried."""
    small: int = 1
    """Factor of the iterations of a run for small images, of which an iteration takes a fraction of a second."""

    def for_images(self, spatial_shape: tuple[int, ...]) -> Cost:
        """The amounts for images of a shape."""
        small = spatial_size(spatial_shape) <= _SMALL
        return replace(self, iterations=self.small * self.iterations) if small else self


@dataclass(frozen=True)
class Candidate:
    """Settings of a run, and images to train networks on: those that it starts from, or that it has learned."""

    images: FreDData
    config: DistillConfig
    at_most: int
    """The largest number of images per class."""
    teacher: Teacher | None = None


class Trial:
    """Compares candidates by networks that are trained on their images and tested on ``held``, held-out images of
    ``source``."""

    def __init__(
        self,
        source: Source,
        held: Source,
        cost: Cost,
        device: torch.device | str,
        progress: Callback | None,
        factory: NetworkFactory | None,
    ) -> None:
        self._source, self._held, self._cost = source, held, cost
        self._device, self._progress, self._factory = device, progress, factory
        self.iterations = cost.trial_iterations
        """Iterations of a short run, at most."""
        self._known: dict[str, float] = {}
        self.description = ""
        """The last result in readable form."""

    def learned(self, candidates: Mapping[str, Candidate]) -> dict[str, Candidate]:
        """The candidates with the images that a short run of each has learned, without those whose settings leave no
        room for images."""
        learned = {}
        for name, one in candidates.items():
            with suppress(BudgetError):
                learned[name] = replace(one, images=self._run(one.config, name))
        return learned

    def best(self, candidates: Mapping[str, Candidate], *, margin: float = 1.0) -> str:
        """The name of the best candidate: the first, unless the accuracy of another is higher by more than ``margin``
        standard errors of an accuracy on the held-out images. A candidate of the same name is tested once."""
        found = {name: self._accuracy(one, name) for name, one in candidates.items()}
        first, best = next(iter(candidates)), max(found, key=found.__getitem__)
        share = found[first]
        chance = margin * math.sqrt(share * (1 - share) / len(self._held))
        chosen = best if found[best] > share + chance else first
        others = [f"{name} {value:.1%}" for name, value in found.items() if name != chosen]
        self.description = ", ".join([f"{chosen}: {found[chosen]:.1%} of held-out images correct", *others])
        return chosen

    def _run(self, config: DistillConfig, name: str) -> FreDData:
        """The images after the first iterations, in a single process."""
        most = round(self.iterations * UNROLLED) if config.objective == "unroll" else self.iterations
        iterations = min(most, config.optimization.iterations)
        run = Run(self._source, config.replace(iterations=iterations), self._device, self._factory, ranks=Ranks())
        while run.state.done < iterations:
            self._report(f"trying {name}", run.state.done, iterations)
            run.step()
        if iterations:
            run.mean_loss()
        return run.state.data()

    def _accuracy(self, candidate: Candidate, name: str) -> float:
        if name in self._known:
            return self._known[name]
        self._report(f"testing {name}", 0, 1)
        protocol = EvaluationConfig(
            steps=self._cost.trial_steps,
            seeds=self._cost.trial_seeds,
            network=candidate.config.network,
            augmentation=candidate.config.run.augmentation,
        )
        how: dict[str, Any] = {"network": self._factory, "device": self._device, "whitening": self._held.whitening}
        self._known[name] = evaluate(candidate.images, self._held, protocol, **how).mean
        return self._known[name]

    def _report(self, task: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(Progress(task, done, total))
