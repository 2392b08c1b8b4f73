"""The interface of objectives, their default settings, and a base class with state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from fredfmt.distill.networks import NetworkConfig
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.settings import Settings, setting
from fredfmt.distill.settings.groups import OptimizationSettings, RunSettings
from fredfmt.distill.settings.layout import BudgetSettings, FrequencySettings
from fredfmt.errors import ArgumentError


class Config(Protocol):
    """The settings from which an objective is made, `fredfmt.distill.DistillConfig`."""

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
    """The interface of objectives for `fredfmt.distill.distill`.

    A class may have ``Settings``, a frozen dataclass of its options, which is a subclass of
    `fredfmt.distill.settings.Settings`; the default is `RealBatchSettings`. ``title`` is its description on the help
    page. If the settings have ``learn_labels`` (`LabelSettings`), losses are differentiable with respect to labels. An
    objective that matches features has ``matches_features = True``; networks then need a method ``embed``.

    >>> class Brightness:
    ...     def __init__(self, config):
    ...         self.count = config.objective_settings.batch_real
    ...
    ...     def losses(self, iteration):
    ...         real, _ = iteration.real_batch(self.count)
    ...         yield (iteration.synthetic.images().mean() - real.mean()).square()
    >>> from fredfmt.distill import DistillConfig
    >>> DistillConfig(objective=Brightness, batch_real=8).objective_settings
    RealBatchSettings(batch_real=8)
    """

    def __init__(self, config: Config, /) -> None: ...
    def losses(self, iteration: Iteration, /) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class RealBatchSettings(Settings):
    """Settings of objectives that use a batch of real images of every class.

    >>> RealBatchSettings(batch_real=16).to_json()
    {'batch_real': 16}
    """

    where: ClassVar[str] = "distillation.objective"

    batch_real: int = setting(32, "Real images per class and update.", least=1)


@dataclass(frozen=True)
class ClassBatchSettings(Settings):
    """Settings of objectives that can use some classes at a time, which bounds the cost of an update."""

    where: ClassVar[str] = "distillation.objective"

    batch_classes: int = setting(
        20, "Maximum number of classes per update; classes take turns; 0: all classes in every update.", least=0
    )


@dataclass(frozen=True)
class SyntheticBatchSettings(Settings):
    """Settings of objectives that can use some instances at a time, which bounds the cost of an update."""

    where: ClassVar[str] = "distillation.objective"

    batch_syn: int = setting(
        8192,
        "Maximum number of instances per update (tm: per student step), equally many of each class; 0: all.",
        least=0,
    )


@dataclass(frozen=True)
class LabelSettings(Settings):
    """Settings of objectives whose losses are differentiable with respect to labels.

    >>> LabelSettings(learn_labels=True).lr_labels
    0.05
    """

    where: ClassVar[str] = "distillation.objective"

    learn_labels: bool = setting(False, "Also learn soft labels, which are stored as multiples of 1/16.")
    lr_labels: float = setting(0.05, "Learning rate of the logits of labels.", above=0)


def classes_at_once(config: Config) -> int:
    """``batch_classes`` of the objective's settings; 0 (all classes) if they do not have it, as those of custom
    objectives."""
    return int(getattr(config.objective_settings, "batch_classes", 0))


def refuse_compiled(config: Config, what: str) -> None:
    """Raise `ArgumentError` if networks are compiled, for an objective that needs second derivatives."""
    if config.run.compile:
        raise ArgumentError(
            f"{what} needs second derivatives, which torch.compile does not support",
            where="distillation.run.compile",
            expected=False,
            found=True,
        )


def settings_class(objective: type[Objective]) -> type[Settings]:
    """The class of the settings of an objective."""
    found: type[Settings] = getattr(objective, "Settings", RealBatchSettings)
    return found


class StatefulObjective:
    """A base class for objectives with state between iterations, such as networks in training, or parameters that are
    learned in addition to the coefficients. Checkpoints contain exactly what `state` returns.

    >>> class Counting(StatefulObjective):
    ...     def __init__(self, config):
    ...         self.count = torch.zeros(())
    ...
    ...     def state(self):
    ...         return {"count": self.count}
    ...
    ...     def restore(self, state):
    ...         self.count = state["count"]
    >>> Counting(None).recipe()
    {}
    """

    def recorded(self) -> dict[str, Any]:
        """Settings of the objective for which files and checkpoints record other values than those given."""
        return {}

    def learned(self, device: torch.device) -> list[dict[str, Any]]:
        """Parameter groups on the device for the optimizer of the run, each ``{"params": [...], "lr": ...}``."""
        return []

    def state(self) -> dict[str, Tensor]:
        """The state by name, as far as it is needed to continue."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, before the first iteration."""

    def recipe(self) -> dict[str, Any]:
        """Learned settings of training on the data, for ``Metadata.recipe``."""
        return {}
