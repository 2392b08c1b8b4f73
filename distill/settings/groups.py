"""The settings of a distillation that all objectives share, in groups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from fredfmt.distill.augment import DEFAULT_AUGMENTATION, operations
from fredfmt.distill.settings import Settings, setting
from fredfmt.distill.settings.layout import BudgetSettings, FrequencySettings, WhiteningSettings
from fredfmt.errors import ArgumentError
from fredfmt.model.documents import LARGEST_INTEGER
from fredfmt.transforms import spatial_size

Optimizer = Literal["sgd", "adam"]
Precision = Literal["float32", "bfloat16", "float16"]
TeacherLabels = Literal["originals", "both"]


def augmentation_setting(when: str) -> Any:
    """A field of settings for a strategy, of which one operation is drawn per ``when``."""
    return setting(
        DEFAULT_AUGMENTATION,
        f"Operations joined by _, one of which is drawn per {when}; none: no augmentation.",
        check=operations,
    )


@dataclass(frozen=True)
class OptimizationSettings(Settings):
    """Settings of the updates of the coefficients.

    FreD's official learning rates are for SGD on un-normalised transforms of side ``n``; divide them by ``4 n**2``,
    which gives about 30 to 250. Adam's learning rate is in units of the coefficients and suits different sources and
    networks.
    """

    where: ClassVar[str] = "distillation.optimization"

    iterations: int = setting(1000, "Iterations of the run; 0 stores the images from which it would start.", least=0)
    optimizer: Optimizer = setting("adam", "Optimizer of the coefficients.")
    lr: float = setting(0.1, "Learning rate of the coefficients of an orthonormal transform.", above=0)
    momentum: float = setting(0.5, "Momentum of SGD, or beta1 of Adam.", least=0, below=1)
    average: float = setting(
        0.99,
        "Decay of the running mean of the coefficients, which the file stores; 0 stores the last iterate.",
        least=0,
        below=1,
    )


@dataclass(frozen=True)
class RunSettings(WhiteningSettings):
    """Settings of the images and the computation of networks."""

    where: ClassVar[str] = "distillation.run"

    augmentation: str = augmentation_setting("update")
    precision: Precision = setting("float32", "Floating point type of the networks; everything else is float32.")
    compile: bool = setting(
        False, "Compile networks (torch.compile); impossible for objectives with second derivatives (dc, dsa, tm)."
    )
    seed: int = setting(0, "Seed of every random draw.", least=0)
    held_out: float = setting(
        0.0,
        "Share of the real images that is held out: at the end, start and result are compared on it, and the file "
        "contains the better one; 0: none.",
        least=0,
        below=1,
    )


@dataclass(frozen=True)
class TeacherSettings(Settings):
    """Settings of a network that is trained on the real images, and whose calibrated predictions are the initial
    labels."""

    where: ClassVar[str] = "distillation.teacher"

    teacher_steps: int = setting(0, "Optimizer steps of the teacher; 0: no teacher, and hard initial labels.", least=0)
    teacher_width: int = setting(64, "Width of the teacher's network.", least=1)
    teacher_labels: TeacherLabels = setting(
        "both",
        "Images whose predictions are the labels. originals: the real images that instances start from; both: the mean "
        "of these predictions and those for the coded images (at the end of the run: for the learned instances), by a "
        "teacher that learns from coarsely quantised images, too.",
    )
    teacher_weight: float = setting(
        0.0,
        "Weight of the divergence between the teacher's predictions for instances and for the real images that they "
        "start from.",
        least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher_weight and not self.teacher_steps:
            raise self._unusable("teacher_steps", "at least 1 if teacher_weight is above 0")


def whole_instances(ipc: float, k: int, size: int) -> int:
    """``floor(ipc * size / k)``: the whole instances of ``k`` frequencies in ``ipc`` times ``size`` values.

    >>> whole_instances(1, 49, 784)
    16
    """
    return math.floor(min(ipc * size / k, LARGEST_INTEGER) + 1e-9)


def instances_per_class(budget: BudgetSettings, frequencies: FrequencySettings, spatial_shape: tuple[int, ...]) -> int:
    """``floor(ipc * positions / k)``, the number of instances per class within the budget.

    Raises `ArgumentError` if the budget is less than one instance, or k exceeds the number of frequencies.
    """
    size, k = spatial_size(spatial_shape), frequencies.k
    if k > size:
        raise ArgumentError("k is out of range", expected=f"1 to {size}, all frequencies", found=k)
    count = whole_instances(budget.ipc, k, size)
    if count < 1:
        raise ArgumentError(
            "the budget is less than one instance per class",
            expected=f"ipc of at least {k / size:.3g}, or k of at most {math.floor(budget.ipc * size)}",
            found=f"ipc={budget.ipc:g}, k={k}",
        )
    return count


GROUPS: Mapping[str, type[Settings]] = MappingProxyType(
    {
        "budget": BudgetSettings,
        "frequencies": FrequencySettings,
        "optimization": OptimizationSettings,
        "run": RunSettings,
        "teacher": TeacherSettings,
    }
)
"""The groups by their names in a `fredfmt.distill.DistillConfig`."""
