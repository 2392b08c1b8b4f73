"""The metadata of the result of a distillation: settings and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.settings import EvaluationConfig


def recorded(settings: DistillConfig, recipe: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Fields of `Metadata`: the settings, how to train on the data (by default the protocol `EvaluationConfig` with the
    augmentation of the run), and no reconstruction error, because instances are not reconstructions of real images.

    >>> recorded(DistillConfig(k=16))["distillation"]["frequencies"]
    {'k': 16}
    """
    return {
        "distillation": settings.to_json(),
        "reconstruction": {},
        "recipe": recipe or EvaluationConfig(augmentation=settings.run.augmentation).recipe(),
    }
