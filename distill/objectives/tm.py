"""Trajectory matching: training on synthetic images should lead to the same parameters as training on real images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from fredfmt.distill.experts.store import Experts
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import (
    Config,
    LabelSettings,
    StatefulObjective,
    SyntheticBatchSettings,
    refuse_compiled,
)
from fredfmt.distill.objectives.student import GRAPHS, Step, step_of, trajectory_distance
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings import setting
from fredfmt.errors import ArgumentError, located


@dataclass(frozen=True)
class TMSettings(SyntheticBatchSettings, LabelSettings):
    """Settings of `TM`.

    Files and checkpoints store ``experts_digest``, the required value of `fredfmt.distill.Experts.digest`, instead of
    ``experts``, so that a run can only be resumed and repeated with the same experts. Published learning rates are for
    SGD on the student's learning rate itself; divide them by ``lr_syn ** 2`` to get ``lr_lr``.
    """

    experts: str = setting("", "Folder of experts, made by fredfmt experts.", metavar="FOLDER")
    experts_digest: str = setting("", "Required content digest of the experts; any if empty.", flag=None)
    batch_experts: int = setting(1, "Trajectory segments per update; the loss is their mean.", least=1)
    max_start_epoch: int = setting(5, "Segments start after fewer than this many epochs of an expert.", least=1)
    expert_epochs: int = setting(2, "Length of a segment, in epochs of an expert.", least=1)
    syn_steps: int = setting(20, "Steps of the student on synthetic images per segment.", least=1)
    lr_syn: float = setting(0.01, "Initial learning rate of the student, which is then learned.", above=0)
    lr_lr: float = setting(
        0.01, "Learning rate of the logarithm of the student's learning rate; 0 keeps it constant.", least=0
    )


class TM(StatefulObjective):
    """The squared distance between the parameters of a student and of an expert after a segment, divided by the squared
    length of the segment (Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
    equation 2).

    The student starts with the parameters of the expert after a random epoch and makes ``syn_steps`` steps of SGD on
    synthetic images. As for experts, one random operation augments each batch, with different parameters for each
    image. The learning rate is also learned, by its logarithm, so that it stays positive. The gradient is exact,
    through all steps.
    """

    title = "trajectory matching, which needs --experts"
    Settings = TMSettings

    def __init__(self, config: Config) -> None:
        settings: TMSettings = config.objective_settings
        wanted = f"those of {settings.experts_digest}" if settings.experts_digest else "a folder"
        if not settings.experts:
            raise ArgumentError(
                "trajectory matching needs experts",
                where="distillation.objective.experts",
                expected=wanted,
                hint="Train some first (fredfmt experts SOURCE FOLDER), then name their folder (--experts FOLDER)",
            )
        refuse_compiled(config, "trajectory matching")
        self._config, self._settings = config, settings
        self._experts = Experts(settings.experts)
        self._network: nn.Module | None = None
        self._check()

    def recorded(self) -> dict[str, Any]:
        """The digest of the experts instead of their folder."""
        return {"experts": "", "experts_digest": self._experts.digest}

    def learned(self, device: torch.device) -> list[dict[str, Any]]:
        """The logarithm of the student's learning rate."""
        start = torch.tensor(math.log(self._settings.lr_syn), dtype=torch.float32, device=device)
        self._log_lr, self._average = nn.Parameter(start), start.clone()
        return [{"params": [self._log_lr], "lr": self._settings.lr_lr}]

    def state(self) -> dict[str, Tensor]:
        """The logarithm of the learning rate, and its running mean."""
        return {"log_lr": self._log_lr.detach(), "average": self._average}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            self._log_lr.copy_(state["log_lr"])
            self._average.copy_(state["average"])

    def recipe(self) -> dict[str, Any]:
        """The learned learning rate of SGD without momentum, averaged over iterations like the coefficients."""
        return {"optimizer": "sgd", "lr": float(f"{self._average.exp().item():.6g}")}

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        """One loss per iteration, the mean over ``batch_experts`` segments."""
        settings = self._settings
        if self._network is None:
            with located(settings.experts):
                self._experts.settings.check_source(iteration.real.source)
            self._network = iteration.network().requires_grad_(False)
        values, labels = iteration.synthetic.values(), iteration.synthetic.labels
        total = values.new_zeros(())
        for segment in iteration.share(range(settings.batch_experts)):
            start, target = self.segment(iteration, segment)
            steps = self.steps(iteration, segment)
            lr = self._log_lr.exp()
            distance = trajectory_distance(
                self._network,
                start,
                target,
                values,
                labels,
                lr,
                steps,
                decode=iteration.synthetic.decode,
                room=iteration.room(graphs=GRAPHS),
                scale=iteration.scale,
            )
            total = total + distance / settings.batch_experts
        yield total
        decay = min(self._config.optimization.average, (iteration.number + 1) / (iteration.number + 10))
        self._average.lerp_(self._log_lr.detach(), 1 - decay)

    def _check(self) -> None:
        """Raise `ArgumentError` if the experts do not fit the settings."""
        mine, theirs = self._settings, self._experts.settings.config
        network, run = self._config.network, self._config.run
        last = mine.max_start_epoch - 1 + mine.expert_epochs
        whitening = ((one.zca, one.zca_epsilon if one.zca else None) for one in (run, theirs))
        for what, fits, expected, found in (
            ("digest", mine.experts_digest in ("", self._experts.digest), mine.experts_digest, self._experts.digest),
            ("network", network.to_json() == theirs.network.to_json(), network, theirs.network),
            ("whitening", next(whitening) == next(whitening), f"zca {run.zca}", f"zca {theirs.zca}"),
            ("number of epochs", last <= theirs.epochs, f"at least {last}", theirs.epochs),
        ):
            if not fits:
                raise ArgumentError(
                    f"the experts do not fit: their {what} differs",
                    where=mine.experts,
                    expected=expected,
                    found=found,
                    hint="Name the folder of other experts, or train some (fredfmt experts)",
                )

    def segment(self, iteration: Iteration, segment: int) -> tuple[Tensor, Tensor]:
        """The start and the end of a segment of an expert's trajectory."""
        chance = generator(iteration.seed, "expert", iteration.number, segment)
        numbers = self._experts.numbers
        number = numbers[int(torch.randint(len(numbers), (), generator=chance, device="cpu"))]
        epoch = int(torch.randint(self._settings.max_start_epoch, (), generator=chance, device="cpu"))
        device = iteration.synthetic.labels.device
        start, target = (
            torch.from_numpy(self._experts.parameters(number, at)).to(device, non_blocking=True)
            for at in (epoch, epoch + self._settings.expert_epochs)
        )
        return start, target

    def steps(self, iteration: Iteration, segment: int) -> list[Step]:
        """The batches of a student: every image of a class occurs once before any is repeated."""
        settings = self._settings
        chance = generator(iteration.seed, "student", iteration.number, segment)
        members = [iteration.synthetic.indices_of(label) for label in range(iteration.classes)]
        per_class = max(1, settings.batch_syn // iteration.classes) if settings.batch_syn else None
        streams = [_batches(of, per_class, chance) for of in members if len(of)]
        steps = []
        for _ in range(settings.syn_steps):
            rows = torch.cat([next(stream) for stream in streams])
            steps.append(step_of(rows, iteration, chance))
        return steps


def _batches(members: Tensor, count: int | None, chance: torch.Generator) -> Iterator[Tensor]:
    """``count`` members at a time, in a new random order after each pass; None: always all, in order."""
    if count is None or count >= len(members):
        while True:
            yield members

    def one_by_one() -> Iterator[Tensor]:
        while True:
            yield from members[torch.randperm(len(members), generator=chance, device="cpu")]

    stream = one_by_one()
    while True:
        yield torch.stack(list(islice(stream, count)))
