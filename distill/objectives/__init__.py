"""Objectives: losses whose minimum are synthetic images that are good to train on.

An objective is a class made once per run from its `fredfmt.distill.DistillConfig`. For each iteration it gets an
`Iteration`, which has images, labels, networks and augmentation but knows nothing of frequencies, and it yields losses
one by one: after each the coefficients are updated, so that images asked for afterwards are the new ones. One with a
state from iteration to iteration is a `StatefulObjective`. Adding an objective, with settings of its own, is adding a
file beside these and a line in `OBJECTIVES`; a package adds one by an entry point of the group ``fredfmt.objectives``.
"""

from __future__ import annotations

from fredfmt.distill.networks.own import load_named
from fredfmt.distill.objectives.dc import DC
from fredfmt.distill.objectives.dm import DM
from fredfmt.distill.objectives.dsa import DSA
from fredfmt.distill.objectives.frepo import FRePo
from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.objectives.objective import (
    Config,
    LabelSettings,
    Objective,
    RealBatchSettings,
    StatefulObjective,
    settings_class,
)
from fredfmt.distill.objectives.registry import Registry, checked
from fredfmt.distill.objectives.tm import TM
from fredfmt.errors import ArgumentError

OBJECTIVES = Registry(
    {
        "dc": "fredfmt.distill.objectives.dc:DC",
        "dm": "fredfmt.distill.objectives.dm:DM",
        "dsa": "fredfmt.distill.objectives.dsa:DSA",
        "frepo": "fredfmt.distill.objectives.frepo:FRePo",
        "tm": "fredfmt.distill.objectives.tm:TM",
    }
)

__all__ = [
    "DC",
    "DM",
    "DSA",
    "OBJECTIVES",
    "TM",
    "Config",
    "FRePo",
    "Iteration",
    "LabelSettings",
    "Objective",
    "RealBatchSettings",
    "StatefulObjective",
    "load_objective",
    "make_objective",
    "settings_class",
]


def make_objective(config: Config) -> Objective:
    """The objective that a configuration names.

    Raises `ArgumentError` for one whose class is not available, and for settings that it cannot run with.
    """
    if config.objective_class is None:
        raise ArgumentError(
            "an objective that is not part of fredfmt, and is not run because a file or a setting names it",
            where=config.objective,
            hint="Install the package that adds it, or pass the class itself: objective=... in Python,"
            " --objective package.module:Class to the command",
        )
    return config.objective_class(config)


def load_objective(name: str) -> type[Objective]:
    """The class that ``package.module:Class`` names, from the current folder or an installed package.

    For names that the user typed, never for one that a file holds: the module is run. Raises `ArgumentError` if there
    is none.
    """
    return checked(load_named(name, "objective"), name)
