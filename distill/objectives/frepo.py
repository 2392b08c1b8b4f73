"""Feature regression: ridge regression on features of synthetic images should predict the classes of real images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fredfmt.distill.augment import draw_augmentation
from fredfmt.distill.networks import embedding
from fredfmt.distill.networks.training import BATCH, LR, MOMENTUM, WEIGHT_DECAY
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import (
    ClassBatchSettings,
    Config,
    LabelSettings,
    RealBatchSettings,
    StatefulObjective,
    SyntheticBatchSettings,
    classes_at_once,
)
from fredfmt.distill.objectives.parts import remade
from fredfmt.distill.objectives.pool import Pool
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.settings import setting

_RIDGE = 1e-3
"""Regularisation of the regression, in units of the mean of the kernel's diagonal."""
_SHARPNESS = 8.0
"""The factor from predictions to logits, with which a prediction of 1 is as confident as a trained network."""
SMALL = 2048
"""The number of instances up to which the kernel matrix of instances is always used."""


@dataclass(frozen=True)
class FRePoSettings(SyntheticBatchSettings, RealBatchSettings, ClassBatchSettings, LabelSettings):
    """Settings of `FRePo`. Old networks reduce the accuracy for few instances, and increase it slightly for many."""

    pool: int = setting(8, "Number of networks that are trained at the same time.", least=1)
    pool_age: int = setting(30, "Training steps after which a network is replaced by a new one.", least=1)


class FRePo(StatefulObjective):
    """The cross-entropy of real images under kernel ridge regression on the features of the synthetic ones (Zhou,
    Nezhadarya and Ba, Dataset Distillation using Neural Feature Regression, NeurIPS 2022, equation 3 and algorithm 1).

    Features come from a pool of networks of different ages, which are trained on the augmented synthetic images during
    the run: in each iteration one of them is drawn, its features are used, and it is trained for one step. It is
    replaced by a new network when it is old. Instead of the squared error of the paper, the loss is the cross-entropy
    of the regression's predictions, with which networks are trained later; its targets are the probabilities of the
    run's teacher for the real images, or their classes if there is none. If an update uses only some classes
    (``batch_classes``), regression and cross-entropy are restricted to these classes.
    """

    title = "feature regression"
    Settings = FRePoSettings
    matches_features = True

    def __init__(self, config: Config) -> None:
        self._settings: FRePoSettings = config.objective_settings
        self._batch_classes = classes_at_once(config)
        self._pool: Pool[_Member] = Pool(self._settings.pool)

    def losses(self, iteration: Iteration) -> Iterator[Tensor]:
        """One loss per iteration, followed by one training step of its network."""
        settings = self._settings
        place, member = self._pool.draw(iteration, lambda place: _Member(iteration.network(place)))
        yield self._regression(member.network, iteration)
        member.train(iteration)
        if member.age >= settings.pool_age:
            self._pool.replace(place, _Member(iteration.network(settings.pool)))

    def _regression(self, network: nn.Module, iteration: Iteration) -> Tensor:
        embed = embedding(network)
        network.requires_grad_(False)
        drawn = iteration.drawn_classes(self._batch_classes)
        classes = iteration.share(drawn)
        real, answers = iteration.real_rows(self._settings.batch_real, classes=classes)
        rows = iteration.synthetic_rows(self._settings.batch_syn, classes=drawn)
        targets = iteration.synthetic.labels
        if targets.ndim == 1:
            targets = F.one_hot(targets, iteration.classes)
        targets = targets.index_select(0, rows.to(targets.device, non_blocking=True))
        columns = None
        if len(drawn) < iteration.classes:
            columns = torch.tensor(drawn, device="cpu").to(targets.device, non_blocking=True)
            targets = targets.index_select(1, columns)
        room = iteration.room()

        def features(part: Tensor, where: slice) -> tuple[Tensor, ...]:
            return (embed(iteration.synthetic.decode(part, rows[where])),)

        asked, wanted = [], []
        with torch.no_grad():
            for where in room.parts(len(real)):
                images = iteration.real.images(real[where])
                asked.append(embed(images))
                wanted.append(_restricted(iteration.wanted(images, answers[where]), columns))
        values = iteration.synthetic.values(rows)
        given = torch.cat([made for (made,) in remade(values, room.parts(len(rows)), features)])
        scores = _SHARPNESS * regressed(torch.cat(asked), given, targets.to(given.dtype) - 1 / len(drawn))
        count = sum(iteration.real.counts(self._settings.batch_real, drawn))
        return F.cross_entropy(scores, torch.cat(wanted), reduction="sum") / count

    def state(self) -> dict[str, Tensor]:
        """Parameters, momentum and age of every network."""
        return self._pool.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, in the first iteration."""
        self._pool.restore(state)


def _restricted(wanted: Tensor, columns: Tensor | None) -> Tensor:
    """(B,) classes or (B, class) probabilities among the classes ``columns``, ascending (None: all)."""
    if columns is None:
        return wanted
    if wanted.ndim == 1:
        return torch.searchsorted(columns, wanted)
    wanted = wanted.index_select(1, columns)
    return wanted / wanted.sum(1, keepdim=True).clamp_min(torch.finfo(wanted.dtype).tiny)


def regressed(asked: Tensor, given: Tensor, targets: Tensor) -> Tensor:
    """(M, class) predictions for features ``asked`` (M, feature) by ridge regression of ``targets`` (N, class) on
    ``given`` (N, feature).

    Uses the (N, N) kernel matrix of instances, or the equivalent (feature, feature) matrix if there are fewer features
    and the first would be large.
    """
    count, wide = given.shape
    by_features = count > max(wide, SMALL)
    kernel = given.T @ given if by_features else given @ given.T
    ridge = _RIDGE * (kernel.diagonal().sum() / count if by_features else kernel.diagonal().mean())
    kernel = kernel + ridge * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
    weights: Tensor  # solve_ex does not synchronise with the device
    if by_features:
        weights, _ = torch.linalg.solve_ex(kernel, given.T @ targets)
        return asked @ weights
    weights, _ = torch.linalg.solve_ex(kernel, targets)
    return (asked @ given.T) @ weights


class _Member:
    """A network of the pool with its optimizer state."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.age = 0
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
        )

    def train(self, iteration: Iteration) -> None:
        """One step on a batch of the current synthetic images, each augmented separately."""
        chance = generator(iteration.seed, "pool", iteration.number)
        rows = torch.randperm(len(iteration.synthetic.labels), generator=chance, device="cpu")[:BATCH]
        augmentation = draw_augmentation(iteration.operations, chance, images=len(rows))
        self.network.requires_grad_(True)
        iteration.add_gradients(self.network, rows, augmentation)
        self.optimizer.step()
        self.optimizer.zero_grad()  # so that only one network of the pool has gradients
        self.age += 1

    def state(self) -> dict[str, Tensor]:
        values = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for index, kept in self.optimizer.state_dict()["state"].items():
            if kept.get("momentum_buffer") is not None:
                values[f"momentum.{index}"] = kept["momentum_buffer"]
        return {**values, "age": torch.tensor(self.age, device="cpu")}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(
            {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
        )
        momenta = {
            int(name.removeprefix("momentum.")): {"momentum_buffer": value}
            for name, value in state.items()
            if name.startswith("momentum.")
        }
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": momenta})
        self.age = int(state["age"])
