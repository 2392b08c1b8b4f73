"""What a distillation records in the metadata of its result: settings and a recipe in, fields of `Metadata` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.settings import EvaluationConfig


def recorded(settings: DistillConfig, recipe: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Settings, how to train on the data (by default the protocol `EvaluationConfig` with the augmentation of the run),
    and no error of reconstruction, as no real image is reconstructed.

    >>> recorded(DistillConfig(k=16))["distillation"]["frequencies"]
    {'k': 16}
    """
    return {
        "distillation": settings.to_json(),
        "reconstruction": {},
        "recipe": recipe or EvaluationConfig(augmentation=settings.run.augmentation).recipe(),
    }
