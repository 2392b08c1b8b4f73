"""Trials on held-out images: several ways to spend a number of bytes in, the name of the best out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

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
from fredfmt.model.data import FreDData


@dataclass(frozen=True)
class Spent:
    """How much computation an effort allows."""

    iterations: int
    teacher_steps: int
    trial_iterations: int
    """Iterations of the short runs of a trial."""
    trial_steps: int
    """Optimizer steps of the networks of a trial."""
    trial_seeds: int


@dataclass(frozen=True)
class Way:
    """Images that networks can be trained on, and the settings of the run that starts from them."""

    images: FreDData
    config: DistillConfig
    at_most: int
    """The largest number of images per class."""
    teacher: Teacher | None = None


class Trial:
    """Networks trained on a few images in several ways, and tested on held-out images ``held`` of ``source``."""

    def __init__(
        self,
        source: Source,
        held: Source,
        spent: Spent,
        device: torch.device | str,
        progress: Callback | None,
        factory: NetworkFactory | None,
    ) -> None:
        self._source, self._held, self._spent = source, held, spent
        self._device, self._progress, self._factory = device, progress, factory
        self.words = ""
        """The last outcome, for people."""

    def learned(self, ways: Mapping[str, Way]) -> dict[str, Way]:
        """The same ways with what a short run of each learns in place of the images that it starts from."""
        return {name: replace(way, images=self._run(way.config, name)) for name, way in ways.items()}

    def best(self, ways: Mapping[str, Way]) -> str:
        """The name of the images that networks learn most from: the first, unless others are better by more than chance
        explains, the standard error of a share of the held-out images."""
        found = {name: self._accuracy(way, name) for name, way in ways.items()}
        first, best = next(iter(ways)), max(found, key=found.__getitem__)
        share = found[first]
        chance = math.sqrt(share * (1 - share) / len(self._held))
        chosen = best if found[best] > share + chance else first
        others = [f"{name} {value:.1%}" for name, value in found.items() if name != chosen]
        self.words = f"{chosen}: {found[chosen]:.1%} of held-out images right, {', '.join(others)}"
        return chosen

    def _run(self, config: DistillConfig, name: str) -> FreDData:
        """What one process learns alone in the first iterations."""
        iterations = min(self._spent.trial_iterations, config.optimization.iterations)
        config = config.replace(iterations=iterations, zca=False)  # as the images that it is compared on
        run = Run(self._source, config, self._device, self._factory, ranks=Ranks())
        while run.state.done < iterations:
            self._report(f"trying {name}", run.state.done, iterations)
            run.step()
        if iterations:
            run.mean_loss()
        return run.state.data()

    def _accuracy(self, way: Way, name: str) -> float:
        self._report(f"testing {name}", 0, 1)
        protocol = EvaluationConfig(
            steps=self._spent.trial_steps,
            seeds=self._spent.trial_seeds,
            network=way.config.network,
            augmentation=way.config.run.augmentation,
        )
        return evaluate(way.images, self._held, protocol, network=self._factory, device=self._device).mean

    def _report(self, task: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(Progress(task, done, total))
