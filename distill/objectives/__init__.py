"""Objectives: losses that synthetic images for training minimise.

An objective is a class with one instance per run, made from the `fredfmt.distill.DistillConfig`. For each iteration it
receives an `Iteration` with images, labels, networks and augmentation, but without frequencies, and yields losses one
by one. The coefficients are updated after each loss, so images that are decoded later are the updated ones. An
objective with state between iterations is a `StatefulObjective`. To add an objective with its settings, add a module to
this package and a line to `OBJECTIVES`; other packages add theirs by entry points of the group ``fredfmt.objectives``.
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
        "unroll": "fredfmt.distill.objectives.unroll:Unroll",
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

    Raises `ArgumentError` if its class is not available, and for settings with which it cannot run.

    >>> from fredfmt.distill import DistillConfig
    >>> make_objective(DistillConfig(objective="dm")).title
    'distribution matching'
    """
    if config.objective_class is None:
        raise ArgumentError(
            "a custom objective, which is not run only because a file or a setting names it",
            where=config.objective,
            hint="Install the package that adds it, or pass the class: objective=... in Python,"
            " --objective package.module:Class on the command line",
        )
    return config.objective_class(config)


def load_objective(name: str) -> type[Objective]:
    """The class that ``package.module:Class`` names, from the current folder or an installed package.

    Only for names that the user gave, never for a name in a file, because the module is run. Raises `ArgumentError` if
    there is no such class.

    >>> load_objective("fredfmt.distill.objectives.dm:DM").title
    'distribution matching'
    """
    return checked(load_named(name, "objective"), name)
