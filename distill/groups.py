"""The settings of a distillation that every objective shares, in groups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from fredfmt.distill.augment import DEFAULT_AUGMENTATION, operations
from fredfmt.distill.layout import BudgetSettings, FrequencySettings, WhiteningSettings
from fredfmt.distill.settings import Settings, setting
from fredfmt.errors import ArgumentError
from fredfmt.model.documents import LARGEST_INTEGER
from fredfmt.transforms import spatial_size

Optimizer = Literal["sgd", "adam"]
Precision = Literal["float32", "bfloat16", "float16"]
TeacherLabels = Literal["originals", "both"]


@dataclass(frozen=True)
class OptimizationSettings(Settings):
    """How the coefficients are updated.

    FreD's official learning rates, of SGD on transforms of side ``n`` that are not normalised, are divided by
    ``4 n**2``: about 30 to 250 for SGD here. Adam's rate is in the coefficients' own units and fits different sources
    and networks alike.
    """

    where: ClassVar[str] = "distillation.optimization"

    iterations: int = setting(1000, "Iterations of the run; 0 stores the images that it would start from.", least=0)
    optimizer: Optimizer = setting("adam", "Optimizer of the coefficients.")
    lr: float = setting(0.1, "Learning rate of the coefficients of an orthonormal transform.", above=0)
    momentum: float = setting(0.5, "Momentum of SGD, or the first of Adam's two.", least=0, below=1)
    average: float = setting(
        0.99,
        "Decay of the running mean of the coefficients, which is what the file holds; 0 stores the last iterate.",
        least=0,
        below=1,
    )


@dataclass(frozen=True)
class RunSettings(WhiteningSettings):
    """The images that networks see, and how they compute."""

    where: ClassVar[str] = "distillation.run"

    augmentation: str = setting(
        DEFAULT_AUGMENTATION,
        "Operations joined by _, one of them drawn per update; none for none.",
        check=operations,
    )
    precision: Precision = setting("float32", "What networks compute in; all else is float32.")
    compile: bool = setting(False, "Compile networks (torch.compile); not for gradients of gradients (dc, dsa, tm).")
    seed: int = setting(0, "Seed of every random draw.", least=0)
    held_out: float = setting(
        0.0,
        "Share of the real images that is set aside: start and result are compared on it at the end, and the file "
        "holds the better one; 0 for none.",
        least=0,
        below=1,
    )


@dataclass(frozen=True)
class TeacherSettings(Settings):
    """A network trained on the real images, whose calibrated predictions are the labels that instances start with."""

    where: ClassVar[str] = "distillation.teacher"

    teacher_steps: int = setting(
        0, "Optimizer steps of the teacher; 0 for none, and hard labels to start with.", least=0
    )
    teacher_width: int = setting(64, "Width of the teacher's network.", least=1)
    teacher_labels: TeacherLabels = setting(
        "both",
        "What the labels are the teacher's predictions for: the real images that instances start from (originals), or "
        "the mean of these and of the same images as they are coded (both), at the end of the run as learned.",
    )
    teacher_weight: float = setting(
        0.0,
        "Weight in the loss of the divergence of the teacher's answers for instances from those for the real images "
        "that they start from.",
        least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher_weight and not self.teacher_steps:
            raise self._unusable("teacher_steps", "at least 1, for a weight of its answers")


def instances_per_class(budget: BudgetSettings, frequencies: FrequencySettings, spatial_shape: tuple[int, ...]) -> int:
    """``floor(ipc * positions / k)``, at least one.

    Raises `ArgumentError` if the budget is less than one instance, or k more than there are frequencies.
    """
    size, k = spatial_size(spatial_shape), frequencies.k
    if k > size:
        raise ArgumentError("k is out of range", expected=f"1 to {size}, all frequencies", found=k)
    count = math.floor(min(budget.ipc * size / k, LARGEST_INTEGER) + 1e-9)
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
"""By their names in a `fredfmt.distill.DistillConfig`."""
