"""Unrolled training: networks that are trained on synthetic images should predict real ones as a teacher does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt.distill.networks.training import BATCH, LR, MOMENTUM, WEIGHT_DECAY, share_of_rate
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import (
    ClassBatchSettings,
    Config,
    LabelSettings,
    RealBatchSettings,
    StatefulObjective,
    classes_at_once,
    refuse_compiled,
)
from fredfmt.distill.objectives.parts import summed
from fredfmt.distill.objectives.pool import Pool
from fredfmt.distill.objectives.student import GRAPHS, Moving, Parameters, Step, step_of, trained
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings import setting

_STEPS = 1000
"""The steps of the protocol of the evaluation, by which the networks are trained."""


@dataclass(frozen=True)
class UnrollSettings(RealBatchSettings, ClassBatchSettings, LabelSettings):
    """Settings of `Unroll`."""

    syn_steps: int = setting(16, "Steps of the network through which the loss is differentiated.", least=1)
    pool: int = setting(8, "Number of networks that are trained at the same time.", least=1)
    pool_age: int = setting(400, "Training steps after which a network is replaced by a new one.", least=1)


class Unroll(StatefulObjective):
    """The cross-entropy of real images for a network after its last ``syn_steps`` steps of training on the synthetic
    ones, through which it is differentiated: truncated backpropagation through time, for which the window moves along
    the training, as a network of a pool is ``syn_steps`` older after each of its updates (Feng, Vedantam and Kempe,
    Embarrassingly Simple Dataset Distillation, ICLR 2024, where windows are at random places).

    Networks are trained by the protocol of the evaluation: SGD with momentum, its learning rates and augmentation. The
    targets are the probabilities of the run's teacher for the real images, or their classes if there is none. If an
    update uses only some classes (``batch_classes``), its real images are of these.
    """

    title = "unrolled training, slow, which gains where many instances fit"
    Settings = UnrollSettings

    def __init__(self, config: Config) -> None:
        refuse_compiled(config, "unrolled training")
        self._settings: UnrollSettings = config.objective_settings
        self._batch_classes = classes_at_once(config)
        self._network: nn.Module | None = None
        self._pool: Pool[_Member] = Pool(self._settings.pool)

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        """One loss per iteration."""
        settings = self._settings
        if self._network is None:
            self._network = iteration.network().requires_grad_(False)
        network = self._network
        place, member = self._pool.draw(
            iteration,
            lambda place: _Member(iteration.network(place)),
            lambda member, place: self._begin(network, member, place, iteration),
        )
        end = self._trained(network, member, iteration)
        yield self._loss(network, end.vector, iteration)
        self._advance(member, end)
        if member.age >= settings.pool_age:
            self._pool.replace(place, _Member(iteration.network(settings.pool)))

    def _trained(self, network: nn.Module, member: _Member, iteration: Iteration, draw: tuple[int, ...] = ()) -> Moving:
        synthetic = iteration.synthetic
        used, steps = _steps(iteration, self._settings.syn_steps, draw)
        rates = [LR * share_of_rate(min(member.age + step, _STEPS - 1), _STEPS) for step in range(len(steps))]
        labels = iteration.labels_of(used)
        return trained(
            network,
            member.moving,
            synthetic.values(used),
            labels,
            torch.tensor(rates, device="cpu").to(labels.device, non_blocking=True),
            steps,
            momentum=MOMENTUM,
            decay=WEIGHT_DECAY,
            decode=lambda values, rows: synthetic.decode(values, used[rows]),
            room=iteration.room(graphs=GRAPHS),
            scale=iteration.scale,
        )

    def _loss(self, network: nn.Module, vector: Tensor, iteration: Iteration) -> Tensor:
        """The mean cross-entropy of real images, computed part by part."""
        classes = iteration.drawn_classes(self._batch_classes)
        rows, answers = iteration.real_rows(self._settings.batch_real, classes=classes)
        parts = iteration.room().parts(len(rows), again=False)
        scores = Parameters(network)

        def loss(given: Tensor, number: int) -> Tensor:
            images = iteration.real.images(rows[parts[number]])
            wanted = iteration.wanted(images, answers[parts[number]])
            return F.cross_entropy(scores(given[0], images), wanted, reduction="sum") / len(rows)

        each = [slice(number, number + 1) for number in range(len(parts))]
        return summed(vector.expand(len(parts), -1), each, loss, iteration.scale)

    def _begin(self, network: nn.Module, member: _Member, place: int, iteration: Iteration) -> None:
        """Train the first networks of the pool up to different ages, as young ones alone would give other gradients."""
        settings = self._settings
        with torch.no_grad():
            for turn in range(settings.pool_age * place // settings.pool // settings.syn_steps):
                self._advance(member, self._trained(network, member, iteration, draw=(place, turn)))

    def _advance(self, member: _Member, end: Moving) -> None:
        member.moving = Moving(end.vector.detach(), end.velocity.detach())
        member.age += self._settings.syn_steps

    def state(self) -> dict[str, Tensor]:
        """Parameters, velocity and age of every network."""
        return self._pool.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, in the first iteration."""
        self._pool.restore(state)


class _Member:
    """A network of the pool: its parameters, their velocity, and its age in steps."""

    def __init__(self, network: Any) -> None:
        vector = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
        self.moving = Moving(vector, torch.zeros_like(vector))
        self.age = 0

    def state(self) -> dict[str, Tensor]:
        return {**self.moving._asdict(), "age": torch.tensor(self.age, device="cpu")}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        device = self.moving.vector.device
        self.moving = Moving(*(state[name].to(device) for name in Moving._fields))
        self.age = int(state["age"])


def _steps(iteration: Iteration, count: int, draw: tuple[int, ...]) -> tuple[Tensor, list[Step]]:
    """The instances of ``count`` steps, and the batches of these: every instance of the run occurs once before any is
    repeated."""
    chance = generator(iteration.seed, "unrolled", iteration.number, *draw)
    instances, wanted = len(iteration.synthetic.labels), count * BATCH
    orders = [torch.randperm(instances, generator=chance, device="cpu") for _ in range(-(-wanted // instances))]
    used, places = torch.unique(torch.cat(orders)[:wanted], return_inverse=True)
    return used, [step_of(rows, iteration, chance) for rows in torch.split(places, BATCH)]
