"""The metadata of the result of a distillation: settings and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.settings import EvaluationConfig


def recorded(
    settings: DistillConfig, source: Mapping[str, Any], recipe: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fields of `Metadata`: the settings, the real images (``source``, as of `Source.provenance`): all from which the
    run learned, or those that are stored if it had no iterations; how to train on the data (by default the protocol
    `EvaluationConfig` with the augmentation of the run); and no reconstruction error, because instances are not
    reconstructions of real images.

    >>> recorded(DistillConfig(k=16), {"name": "digits"})["distillation"]["frequencies"]
    {'k': 16}
    """
    return {
        "source": source,
        "distillation": settings.to_json(),
        "reconstruction": {},
        "recipe": recipe or EvaluationConfig(augmentation=settings.run.augmentation).recipe(),
    }
