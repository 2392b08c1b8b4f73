"""The settings that need no trial, from the source, the bytes and the coded images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fredfmt.codec.devices import usable_device
from fredfmt.data.sources import Source
from fredfmt.distill.augment import augmentation_for
from fredfmt.distill.choosing.trial import UNROLLED, Cost
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.held_out import most_can_be_split, share_held_out
from fredfmt.distill.networks import NetworkConfig
from fredfmt.distill.networks.training import BATCH
from fredfmt.model.data import FreDData
from fredfmt.transforms import spatial_size

_WIDTH, _WIDTH_ON_DEVICE = 32, 128
_RATE, _FINE = 0.01, 1.0
"""Learning rate of the coefficients in units of the quantization step, or of 1 if the step is smaller. Higher rates add
noise, which takes bytes; lower ones learn less."""
_BATCH_SYN, _MOST_SYN, _UPDATES = 320, 960, 300
"""Instances per update of `frepo`, at least (half of all, if that is more) and at most, and the least number of updates
of each instance, with which the first number of instances is chosen."""
_COEFFICIENTS, _PER_BYTE = 1 << 25, 0.5
"""The most coefficients of a run, each of which takes 24 bytes of memory; or for each byte of a large file."""
_OTHERS = 5 / 3
"""Iterations of other objectives than `frepo` and `unroll`, for each of `frepo`: the default of 1,000 for the default
effort."""
_YOUNG, _OLD, _MANY = 30, 300, 20
"""Ages of the networks of `frepo`, and the number of instances per class from which old ones help."""


def by_rule(
    source: Source, max_bytes: int, cost: Cost, device: torch.device | str, given: Mapping[str, Any]
) -> DistillConfig:
    """The settings that need no trial, except those of the layout."""
    width = _WIDTH if usable_device(device).type == "cpu" else _WIDTH_ON_DEVICE
    rule: dict[str, Any] = {
        "max_bytes": max_bytes,
        "network": NetworkConfig(width=width).fitting(source.spatial_shape),
        "augmentation": augmentation_for(source.name, len(source.spatial_shape)),
        "held_out": _share_held_out(source),
    }
    config = DistillConfig(**rule).replace(**given)
    if "iterations" in given:
        return config
    return config.replace(iterations=iterations_of(cost, config.objective))


def iterations_of(cost: Cost, objective: str) -> int:
    """The iterations of a run."""
    return round(cost.iterations * {"frepo": 1, "unroll": UNROLLED}.get(objective, _OTHERS))


def most_at_first(config: DistillConfig, classes: int) -> int:
    """The largest number of instances per class of the first candidate: as many as a run can teach."""
    at_once = config.syn_steps * BATCH if config.objective == "unroll" else _BATCH_SYN
    return max(_MANY, config.optimization.iterations * at_once // (_UPDATES * classes))


def most_coefficients(max_bytes: int) -> int:
    """The largest number of coefficients of a run with a budget, for the sake of its memory.

    >>> most_coefficients(9_830_400), most_coefficients(200_000_000)
    (33554432, 100000000)
    """
    return max(_COEFFICIENTS, int(_PER_BYTE * max_bytes))


def settled(config: DistillConfig, coded: FreDData, train: Source, given: Mapping[str, Any]) -> DistillConfig:
    """The configuration with the layout of the coded images and the settings that depend on the number of instances."""

    def with_rules(config: DistillConfig, rules: Mapping[str, Any]) -> DistillConfig:
        return config.replace(**{name: value for name, value in rules.items() if name not in given})

    layout: dict[str, Any] = {}
    if "ipc" not in given:
        layout = {
            "mask": "low",
            "k": coded.k,
            "ipc": per_class(coded) * coded.k / spatial_size(train.spatial_shape),
            "step": float(f"{coded.step:.4g}"),
            "quantize_in_loop": True,
            "rate": "auto",
        }
    config = with_rules(config, layout)
    if config.objective not in ("frepo", "unroll"):
        return config
    each = config.instances_per_class(train.spatial_shape)
    count = each * len(train.classes)
    rules = {
        "learn_labels": config.teacher.teacher_steps > 0,
        "lr": float(f"{_RATE * max(config.budget.number, _FINE):.2g}"),
    }
    if config.objective == "frepo":
        rules |= {
            "batch_syn": min(_MOST_SYN, max(_BATCH_SYN, count // 2)) if count > _BATCH_SYN else 0,
            "pool_age": _OLD if each >= _MANY else _YOUNG,
        }
    return with_rules(config, rules)


def unrolled(config: DistillConfig, cost: Cost, given: Mapping[str, Any]) -> DistillConfig:
    """The configuration with unrolled training as its objective."""
    settings = {name: value for name, value in config.to_json().items() if name != "objective"}
    made = DistillConfig.from_json(settings | {"objective": {"name": "unroll"}})
    own = made.objective_settings.options()
    kept = {name: value for name, value in given.items() if name in own}
    learned = {"learn_labels": config.learn_labels, "lr_labels": config.lr_labels}
    iterations = {} if "iterations" in given else {"iterations": iterations_of(cost, "unroll")}
    return made.replace(**{**learned, **iterations, **kept})


def per_class(coded: FreDData) -> int:
    """The largest number of images of a class; counted by masks, as soft labels may not identify the class."""
    return int(np.bincount(coded.mask_of).max())


def _share_held_out(source: Source) -> float:
    """The share of the images that is held out: none if most classes have only a few."""
    if not most_can_be_split(source):
        return 0.0
    return float(f"{share_held_out(source):.3g}")
