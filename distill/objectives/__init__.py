"""Objectives: what makes synthetic images good to train on, as losses to be made small.

An objective is a class made once a run from its `DistillConfig`. For each iteration it is handed an `Iteration`, which
has images, labels, networks and augmentation but knows nothing of frequencies, and it yields losses one by one: after
each the coefficients are updated, so that images asked for afterwards are the new ones. One that keeps something from
iteration to iteration is a `Remembering`. Adding an objective is adding a file beside these and a line in `OBJECTIVES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from fredfmt.distill.config import DistillConfig
from fredfmt.distill.objectives.dc import DC
from fredfmt.distill.objectives.dm import DM
from fredfmt.distill.objectives.dsa import DSA
from fredfmt.distill.objectives.frepo import FRePo
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.remembering import Remembering
from fredfmt.distill.objectives.tm import TM
from fredfmt.errors import ArgumentError


class Objective(Protocol):
    """What the loop of `fredfmt.distill.distill` asks of an objective."""

    def __init__(self, config: DistillConfig, /) -> None: ...
    def losses(self, iteration: Iteration, /) -> Iterator[Tensor]: ...


OBJECTIVES: Mapping[str, type[Objective]] = MappingProxyType({"dc": DC, "dm": DM, "dsa": DSA, "frepo": FRePo, "tm": TM})

LEARNING_LABELS = tuple(name for name, made in OBJECTIVES.items() if getattr(made, "learns_labels", False))
"""Objectives whose losses have a gradient to the labels."""

__all__ = [
    "DC",
    "DM",
    "DSA",
    "LEARNING_LABELS",
    "OBJECTIVES",
    "TM",
    "FRePo",
    "Iteration",
    "Objective",
    "Remembering",
    "make_objective",
]


def make_objective(config: DistillConfig) -> Objective:
    """The objective that ``config`` names. Raises `ArgumentError` for a name that is not in `OBJECTIVES`."""
    if config.objective not in OBJECTIVES:
        raise ArgumentError("no such objective", expected=f"one of {sorted(OBJECTIVES)}", found=repr(config.objective))
    return OBJECTIVES[config.objective](config)
