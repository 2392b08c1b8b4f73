"""What an objective is, and its defaults: settings and state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from fredfmt.distill.groups import OptimizationSettings, RunSettings
from fredfmt.distill.layout import BudgetSettings, FrequencySettings
from fredfmt.distill.networks import NetworkConfig
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.settings import Settings, setting


class Config(Protocol):
    """The settings of a run that an objective is made from, `fredfmt.distill.DistillConfig`."""

    @property
    def objective(self) -> str: ...
    @property
    def objective_class(self) -> type[Objective] | None: ...
    @property
    def objective_settings(self) -> Any: ...
    @property
    def budget(self) -> BudgetSettings: ...
    @property
    def frequencies(self) -> FrequencySettings: ...
    @property
    def optimization(self) -> OptimizationSettings: ...
    @property
    def network(self) -> NetworkConfig: ...
    @property
    def run(self) -> RunSettings: ...


class Objective(Protocol):
    """What the loop of `fredfmt.distill.distill` asks of an objective.

    A class may have ``Settings``, a frozen dataclass of its own options, which is a subclass of
    `fredfmt.distill.settings.Settings`; without one it has `RealBatchSettings`. ``title`` is what a help page says of
    it. One whose settings have ``learn_labels`` (`LabelSettings`) gives labels a gradient. One that matches features
    says ``matches_features = True``, and networks need a method ``embed`` then.
    """

    def __init__(self, config: Config, /) -> None: ...
    def losses(self, iteration: Iteration, /) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class RealBatchSettings(Settings):
    """Settings of objectives that see a batch of real images of every class."""

    where: ClassVar[str] = "distillation.objective"

    batch_real: int = setting(32, "Real images per class and update.", least=1)


@dataclass(frozen=True)
class ClassBatchSettings(Settings):
    """Of objectives that can see the classes in turn: what an update costs does not grow beyond so many."""

    where: ClassVar[str] = "distillation.objective"

    batch_classes: int = setting(
        20, "Classes per update at most, every class equally often; 0 for all in every update.", least=0
    )


@dataclass(frozen=True)
class LabelSettings(Settings):
    """Settings of objectives whose losses have a gradient in the labels."""

    where: ClassVar[str] = "distillation.objective"

    learn_labels: bool = setting(False, "Learn soft labels too, stored in sixteenths.")
    lr_labels: float = setting(0.05, "Learning rate of the scores whose softmax the labels are.", above=0)


def classes_at_once(config: Config) -> int:
    """``batch_classes`` of the objective's settings; 0, all classes, where they have none, which a user's own settings
    need not have."""
    return int(getattr(config.objective_settings, "batch_classes", 0))


def settings_class(objective: type[Objective]) -> type[Settings]:
    """The class of an objective's settings."""
    found: type[Settings] = getattr(objective, "Settings", RealBatchSettings)
    return found


class StatefulObjective:
    """A base for objectives that have a state from one iteration to the next: parameters that they learn beside the
    coefficients, networks in training. What `state` leaves out, checkpoints leave out."""

    def recorded(self) -> dict[str, Any]:
        """Settings of the objective that files and checkpoints record with other values than given."""
        return {}

    def learned(self, device: torch.device) -> list[dict[str, Any]]:
        """Groups of parameters on the device for the run's optimizer, each ``{"params": [...], "lr": ...}``."""
        return []

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on, by name."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what `state` gave, before the first iteration."""

    def recipe(self) -> dict[str, Any]:
        """What was learned about training on the data, for ``Metadata.recipe``; empty if nothing."""
        return {}
