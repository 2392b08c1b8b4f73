"""A step of every objective compared with the plain loop of `plain.py`; effects of compiling and half precision.

Noise in place of images of 1x28x28 in ten classes of 500 (the time of a step does not depend on what is in them), 16
instances of k = 49 per class, ConvNet of width 128, 256 real images per class, no augmentation, a new network in every
step of DM and DC, a pool of eight networks for FRePo, 20 student steps. First both sides learn a step from the same
images and network, and what they learned is compared.
"""

from __future__ import annotations

import tempfile
from itertools import cycle
from typing import Any

import numpy as np
import torch
from plain import MOMENTUM, Plain, apart

from fredfmt.data.sources import Source
from fredfmt.distill import DistillConfig, ExpertConfig, Experts, NetworkConfig, train_experts
from fredfmt.distill.run import Run
from fredfmt.errors import FredError
from fredfmt.model.metadata import Normalization
from on_device.running import Job, Row, Running

CLASSES = 10
OWN: dict[str, dict[str, Any]] = {
    "dm": {"lr": 1.0},
    "dc": {"lr": 1.0},
    "frepo": {"lr": 1.0},
    "unroll": {"lr": 1e4, "pool": 1},
    "tm": {"lr": 1.0, "max_start_epoch": 1, "expert_epochs": 1, "lr_lr": 0.0},
}
"""Settings of each objective. The first steps of a network that `unroll` trains have small learning rates, and so do
their gradients: coefficients in float32 would hardly change at a rate of 1."""
STUDENTS = ("unroll", "tm")
"""Objectives that train students."""
COMPILED = ("dm", "frepo")
"""Objectives that take no gradient of a gradient."""


def noise(run: Running) -> Source:
    """Images of nothing, the same number of each class."""
    per_class, shape = (20, (1, 14, 12)) if run.tiny else (500, (1, 28, 28))
    pixels = np.random.default_rng(0).integers(0, 256, (CLASSES * per_class, *shape), dtype=np.uint8)
    classes = tuple(map(str, range(CLASSES)))
    return Source("noise", "train", pixels, np.arange(len(pixels)) % CLASSES, classes, Normalization((0.5,), (0.25,)))


class Compared:
    """An objective's step, by fredfmt and plainly."""

    def __init__(self, run: Running, objective: str, source: Source, experts: str) -> None:
        self.run, self.objective, self.source = run, objective, source
        self.steps, self.batch_real = (2, 5) if run.tiny else (20, 256)
        self.network = NetworkConfig(width=4, depth=2) if run.tiny else NetworkConfig(width=128)
        own = dict(OWN[objective])
        own |= {"experts": experts} if objective == "tm" else {"batch_real": self.batch_real}
        own |= {"syn_steps": self.steps} if objective in STUDENTS else {}
        self.config = DistillConfig(
            objective=objective, ipc=1, k=12 if run.tiny else 49, optimizer="sgd", momentum=MOMENTUM, average=0,
            augmentation="none", network=self.network, **own,
        )  # fmt: skip
        self.experts = Experts(experts) if objective == "tm" else None

    def difference(self) -> float:
        """What the two learned apart, relative to what they learned, from the same images and network."""
        config = self.config.replace(pool=1) if self.objective == "frepo" else self.config
        ours = Run(self.source, config, self.run.device)
        plain = Plain(ours, self.source, self.batch_real)
        iteration = ours.iteration(0, ours.state.synset)
        plain.images, labels = iteration.real_batch(self.batch_real)
        plain.chosen = {label: torch.nonzero(labels == label).flatten() for label in range(CLASSES)}
        self.plainly(plain, iteration.network())
        ours.step()
        return apart(plain, ours)

    def plainly(self, plain: Plain, network: Any) -> None:
        """A plain step."""
        if self.experts is None:
            steps = [self.steps] if self.objective in STUDENTS else []
            getattr(plain, self.objective)(network, *steps)
            return
        start, target = (torch.from_numpy(self.experts.parameters(0, epoch)) for epoch in (0, 1))
        plain.tm(network, start, target, self.steps, self.config.objective_settings.lr_syn)

    def jobs(self) -> dict[str, Job]:
        """What is timed, by column."""
        ours = Run(self.source, self.config, self.run.device)
        plain = Plain(ours, self.source, self.batch_real)
        fresh = self.objective in ("dm", "dc")
        pool = cycle([ours.iteration(number, ours.state.synset).network() for number in range(8)])

        def plain_step() -> None:
            self.plainly(plain, ours.iteration(ours.state.done, ours.state.synset).network() if fresh else next(pool))

        named: dict[str, Job] = {"fredfmt": ours.step, "plain": plain_step}
        if not self.run.tiny:
            changes: dict[str, dict[str, Any]] = {"bfloat16": {"precision": "bfloat16"}}
            if self.objective in COMPILED:
                changes["compiled"] = {"compile": True}
            for name, change in changes.items():
                changed = Run(self.source, self.config.replace(**change), self.run.device)
                try:
                    changed.step()
                except (FredError, RuntimeError) as error:
                    self.run.notes.append(f"{self.objective}, {name}: {str(error).partition(chr(10))[0]}")
                else:
                    named[name] = changed.step
        return named


def rows(run: Running) -> list[Row]:
    """One per objective."""
    source, made = noise(run), list[Row]()
    with tempfile.TemporaryDirectory() as experts:
        for objective in OWN:
            if run.omits(f"step of {objective}", made):
                continue
            if objective == "tm":
                network = NetworkConfig(width=4, depth=2) if run.tiny else NetworkConfig(width=128)
                trained = ExpertConfig(epochs=1, augmentation="none", network=network)
                train_experts(source, experts, trained, count=1, device=run.device)
            compared = Compared(run, objective, source, experts)
            difference = compared.difference()
            seconds = run.seconds(compared.jobs(), turns=2 if run.tiny else 9)
            row: Row = {"what": f"step of {objective}", "unit": "ms"}
            row |= {name: spent * 1e3 for name, spent in seconds.items()}
            ways = [spent for name, spent in seconds.items() if name in ("fredfmt", "compiled")]
            row |= {"ratio": seconds["plain"] / min(ways), "difference": difference}
            row["note"] = f"learned apart by {difference:.1e}"
            made.append(row)
    return made
