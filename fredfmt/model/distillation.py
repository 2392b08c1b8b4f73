"""The settings of a distillation as files store them: short documents to complete settings, and back.

A document omits settings that have the default of the version of the defaults that it names, ``"defaults": 1``. The
versions are in `DEFAULTS`. Their values never change, so a changed default in the code does not change the meaning of
old files. A new setting is added to the older versions with the value that does not change a run. Documents of fredfmt
0.1 are flat and name no version; `FLAT` has the group of each of their settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fredfmt.errors import ArgumentError, VersionError, quoted

Json = Mapping[str, Any]

_REAL = {"batch_real": 32, "batch_classes": 0}
_LABELS = {"learn_labels": False, "lr_labels": 0.05}
_GRADIENTS = {**_REAL, "outer_loop": 1, "inner_loop": 1, "lr_net": 0.01}
_LAYERS = {"width": 32, "depth": 3, "norm": "instance", "pooling": "avg"}

_FIRST: Mapping[str, Json] = {
    "budget": {"ipc": 1.0, "step": 1.0, "max_bytes": None, "quantize_in_loop": False, "rate": 0.0},
    "frequencies": {
        "k": 49,
        "transform": "dct",
        "mask": "evr",
        "mask_scope": "class",
        "base": False,
        "channel_transform": "none",
    },
    "objective": {
        "dc": _GRADIENTS,
        "dm": _REAL,
        "dsa": _GRADIENTS,
        "frepo": {**_REAL, "batch_syn": 0, "pool": 8, "pool_age": 30, **_LABELS},
        "tm": {
            "experts": "",
            "experts_digest": "",
            "batch_syn": 0,
            "batch_experts": 1,
            "max_start_epoch": 5,
            "expert_epochs": 2,
            "syn_steps": 20,
            "lr_syn": 0.01,
            "lr_lr": 0.01,
            **_LABELS,
        },
        "unroll": {**_REAL, "batch_classes": 20, "syn_steps": 16, "pool": 8, "pool_age": 400, **_LABELS},
    },
    "optimization": {"iterations": 1000, "optimizer": "adam", "lr": 0.1, "momentum": 0.5, "average": 0.99},
    "network": dict.fromkeys(("alexnet", "convnet", "resnet18", "vgg11", "vit"), _LAYERS),
    "run": {
        "augmentation": "color_crop_cutout_flip_scale_rotate",
        "zca": False,
        "zca_epsilon": 0.1,
        "precision": "float32",
        "compile": False,
        "seed": 0,
        "held_out": 0.0,
    },
    "teacher": {"teacher_steps": 0, "teacher_width": 64, "teacher_labels": "originals", "teacher_weight": 0.0},
}
LENGTHS: Mapping[str, str] = {"steps": "steps", "paper": "epochs"}
"""For each protocol of training, the setting that gives its length, which is also the unit."""
_BOUNDED: Mapping[str, Json] = {
    "dc": {"batch_classes": 20},
    "dm": {"batch_classes": 20},
    "dsa": {"batch_classes": 20},
    "frepo": {"batch_classes": 20, "batch_syn": 8192},
    "tm": {"batch_syn": 8192},
}
"""Since version 2 the cost of an update is bounded for many classes and instances."""

_SECOND: Mapping[str, Json] = {
    **_FIRST,
    "objective": {name: {**before, **_BOUNDED.get(name, {})} for name, before in _FIRST["objective"].items()},
}
_THIRD: Mapping[str, Json] = {**_SECOND, "teacher": {**_FIRST["teacher"], "teacher_labels": "both"}}
"""Since version 3 a teacher's labels also depend on the coded images."""

_FOURTH: Mapping[str, Json] = {
    **_THIRD,
    "budget": {**_THIRD["budget"], "quantize_in_loop": True, "rate": "auto"},
    "frequencies": {**_THIRD["frequencies"], "mask": "low"},
    "objective": {**_THIRD["objective"], "frepo": {**_THIRD["objective"]["frepo"], "batch_syn": 0}},
    "optimization": {**_THIRD["optimization"], "iterations": 600},
    "run": {**_THIRD["run"], "held_out": 0.1},
}
"""Version 4 has the settings that are chosen for a number of bytes, as far as they do not depend on the source."""

_COLOUR: Json = {"channel_transform": "auto"}
_FIFTH: Mapping[str, Json] = {**_THIRD, "frequencies": {**_THIRD["frequencies"], **_COLOUR}}
_SIXTH: Mapping[str, Json] = {**_FOURTH, "frequencies": {**_FOURTH["frequencies"], **_COLOUR}}
"""Versions 5 and 6 are 3 and 4 with a transform along the channels of colour images. Version 5 has the defaults of the
settings in `fredfmt.distill`."""

DEFAULTS: Mapping[int, Mapping[str, Json]] = MappingProxyType(
    {1: _FIRST, 2: _SECOND, 3: _THIRD, 4: _FOURTH, 5: _FIFTH, 6: _SIXTH}
)
"""For each version, the settings of each group; for groups in `NAMED`, the settings of each name. Documents store all
other settings in full, for example those of an objective that is not part of fredfmt."""
NAMED: Mapping[str, str] = MappingProxyType({"objective": "frepo", "network": "convnet"})
"""Groups of the form ``{"name": ..., "configuration": {...}}``, with the default name."""

FLAT: Mapping[str, str] = MappingProxyType(
    {name: group for group, settings in DEFAULTS[1].items() if group not in NAMED for name in settings}
    | {name: "objective" for settings in DEFAULTS[1]["objective"].values() for name in settings}
)
"""The group of each setting in a document of fredfmt 0.1, except ``objective``, which is a name, and ``network``."""


def complete(document: Json) -> dict[str, dict[str, Any]]:
    """All settings by group, from a document of any version.

    Groups in `NAMED` are ``{"name": ..., "configuration": {...}}``; the others contain their settings directly. Raises
    `VersionError` for an unknown version of the defaults, and `ArgumentError` for a document of another form.

    >>> short = {"defaults": 1, "objective": {"name": "dm"}, "run": {"seed": 7}}
    >>> complete(short)["objective"], complete(short)["run"]["seed"], complete(short)["frequencies"]["k"]
    ({'name': 'dm', 'configuration': {'batch_real': 32, 'batch_classes': 0}}, 7, 49)
    >>> complete({"objective": "dm", "k": 9})["frequencies"]["k"]  # as fredfmt 0.1 wrote it
    9
    """
    if "defaults" not in document:
        return complete({"defaults": 1, **_grouped(document)})
    version = document["defaults"]
    if isinstance(version, bool) or not isinstance(version, int) or version not in DEFAULTS:
        raise VersionError(
            "the settings refer to an unknown version of the defaults",
            where="distillation.defaults",
            expected=f"one of {sorted(DEFAULTS)}",
            found=quoted(version),
            hint="A newer version of fredfmt may know it",
        )
    if unknown := sorted(set(document) - {"defaults", *DEFAULTS[version]}):
        raise ArgumentError("unknown settings", where="distillation", expected=sorted(DEFAULTS[version]), found=unknown)
    full = {}
    for group, defaults in DEFAULTS[version].items():
        given = _object(document.get(group, {}), group)
        if group in NAMED:
            if unknown := sorted(set(given) - {"name", "configuration"}):
                raise ArgumentError(
                    "unknown settings", where=f"distillation.{group}", expected="name, configuration", found=unknown
                )
            name = given.get("name", NAMED[group])
            if not isinstance(name, str):
                raise ArgumentError("not a name", where=f"distillation.{group}.name", found=quoted(name))
            configuration = _object(given.get("configuration", {}), f"{group}.configuration")
            full[group] = {"name": name, "configuration": {**defaults.get(name, {}), **configuration}}
        else:
            full[group] = {**defaults, **given}
    return full


def abridged(full: Mapping[str, Json]) -> dict[str, Any]:
    """The shortest document that `complete` expands to ``full``. The name of the objective is always included.

    >>> abridged(complete({"defaults": 5, "objective": {"name": "dm"}, "run": {"seed": 7}}))
    {'defaults': 5, 'objective': {'name': 'dm'}, 'run': {'seed': 7}}
    >>> chosen = {"mask": "low", "rate": "auto", "quantize_in_loop": True, "held_out": 0.1, "batch_syn": 0}
    >>> abridged(complete({"objective": "frepo", "teacher_labels": "both", "batch_classes": 20, **chosen}))
    {'defaults': 4, 'objective': {'name': 'frepo'}, 'optimization': {'iterations': 1000}}
    """
    documents = (_relative_to(version, full) for version in sorted(DEFAULTS, reverse=True))
    return min(documents, key=lambda document: len(json.dumps(document)))


def _relative_to(version: int, full: Mapping[str, Json]) -> dict[str, Any]:
    """The document that names ``version`` and the settings that differ from it."""
    document: dict[str, Any] = {"defaults": version}
    for group, given in full.items():
        defaults = DEFAULTS[version][group]
        if group in NAMED:
            name = given["name"]
            named = {} if name == NAMED[group] and group != "objective" else {"name": name}
            configuration = _differing(given["configuration"], defaults.get(name, {}))
            short = named | ({"configuration": configuration} if configuration else {})
        else:
            short = _differing(given, defaults)
        if short:
            document[group] = short
    return document


def objective_of(document: Json) -> str | None:
    """The name of the objective in a document of any version and form; None if there is none."""
    named = document.get("objective")
    name = named.get("name") if isinstance(named, Mapping) else named
    return name if isinstance(name, str) else None


def by_name(document: Json) -> dict[str, Any]:
    """All settings by name, for display. A document that `complete` does not understand is returned as it is; the empty
    document of data that were not distilled has no settings.

    >>> by_name({})
    {}
    >>> settings = by_name({"defaults": 1, "objective": {"name": "dm"}, "run": {"seed": 7}})
    >>> settings["objective"], settings["batch_real"], settings["seed"], settings["network"]["width"]
    ('dm', 32, 7, 32)
    """
    if not document:
        return {}
    try:
        full = complete(document)
    except (ArgumentError, VersionError):
        return dict(document)
    objective, network = full.pop("objective"), full.pop("network")
    settings = {"objective": objective["name"], **objective["configuration"]}
    for group in full.values():
        settings |= group
    return {**settings, "network": {"name": network["name"], **network["configuration"]}}


def _grouped(flat: Json) -> dict[str, Any]:
    """A document of 0.1 in groups, without the settings of other objectives, which had no effect."""
    objective, network = flat.get("objective", NAMED["objective"]), _object(flat.get("network", {}), "network")
    groups: dict[str, Any] = {
        "objective": {"name": objective},
        "network": {name: value for name, value in network.items() if name == "name"},
    }
    if layers := {name: value for name, value in network.items() if name != "name"}:
        groups["network"]["configuration"] = layers
    known = DEFAULTS[1]["objective"]
    meant = known[objective] if isinstance(objective, str) and objective in known else FLAT
    for name, value in flat.items():
        if name in ("objective", "network"):
            continue
        if name not in FLAT:
            raise ArgumentError(
                "unknown settings", where="distillation", expected=sorted({*FLAT, "objective", "network"}), found=[name]
            )
        if FLAT[name] != "objective":
            groups.setdefault(FLAT[name], {})[name] = value
        elif name in meant:
            groups["objective"].setdefault("configuration", {})[name] = value
    return groups


def _object(value: Any, where: str) -> Json:
    if not isinstance(value, Mapping):
        raise ArgumentError("not an object", where=f"distillation.{where}", found=quoted(value))
    return value


def _differing(given: Json, defaults: Json) -> dict[str, Any]:
    """The settings without a default, or with another value or type than the default; 1 equals 1.0, but not true."""
    missing = object()
    return {
        name: value
        for name, value in given.items()
        if (default := defaults.get(name, missing)) != value or isinstance(default, bool) is not isinstance(value, bool)
    }
