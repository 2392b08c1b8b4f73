"""How long choosing settings and distilling take on this machine, estimated from a few steps."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from fredfmt.codec.devices import usable_device, wait_for
from fredfmt.data.sources import Source
from fredfmt.distill.choosing.trial import UNROLLED, Cost
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.protocol import new_network, train
from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.evaluation.teacher import protocol_of
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.distributed import Ranks

TIMED = 2
"""The number of steps before the timed ones, and of timed ones."""
_LONG = 120
"""Durations from this number of seconds on are given in minutes."""


def in_words(seconds: float) -> str:
    """A duration as a person would say it.

    >>> in_words(0.2), in_words(75), in_words(700)
    ('1 second', '75 seconds', '12 minutes')
    """
    if seconds > _LONG:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "1 second"


def estimate(
    source: Source,
    config: DistillConfig,
    cost: Cost,
    *,
    runs: int,
    tests: int,
    taught: bool,
    unrolling: DistillConfig | None = None,
    device: torch.device | str = "cpu",
    factory: NetworkFactory | None = None,
) -> str:
    """The duration of a choice of settings and of the run, in words. ``runs`` is the number of short runs, ``tests``
    that of candidates on which networks are trained, ``taught`` whether a teacher is trained, ``unrolling`` the
    settings of unrolled training, if it is tried."""
    iteration = seconds_of(Run(source, config, device, factory, ranks=Ranks()).step, device)
    protocol = EvaluationConfig(network=config.network, augmentation=config.run.augmentation)
    choosing = runs * cost.trial_iterations * iteration
    choosing += tests * cost.trial_seeds * cost.trial_steps * _training(source, protocol, device, factory)
    if taught:
        choosing += cost.teacher_steps * _training(source, protocol_of(config, source), device)
    distilling, at_most = config.optimization.iterations * iteration, ""
    if unrolling is not None:
        alone = unrolling.replace(pool=1)  # more networks would be trained for a while first
        iteration = seconds_of(Run(source, alone, device, factory, ranks=Ranks()).step, device)
        choosing += cost.trial_iterations * UNROLLED * iteration
        longest = unrolling.optimization.iterations * iteration
        distilling, at_most = max(distilling, longest), "at most "
    return (
        f"about {in_words(choosing)} to choose settings and {at_most}{in_words(distilling)} to distil on this machine"
    )


def seconds_of(step: Callable[[], object], device: torch.device | str) -> float:
    """The seconds of a step, by the clock: `TIMED` steps after as many."""
    device = usable_device(device)
    began = 0.0
    for _ in range(2):
        wait_for(device)
        began = time.perf_counter()
        for _ in range(TIMED):
            step()
    wait_for(device)
    return (time.perf_counter() - began) / TIMED


def _training(
    source: Source, protocol: EvaluationConfig, device: torch.device | str, factory: NetworkFactory | None = None
) -> float:
    """The seconds of a step of training."""
    one = protocol.replace(steps=1)
    network = new_network(source, one, 0, device, factory)
    labels = torch.from_numpy(source.labels).to(device)
    return seconds_of(lambda: train(network, source, labels, one, seed=0, factory=factory), device)
