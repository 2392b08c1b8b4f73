"""Settings that choose themselves: a source and a number of bytes in, a configuration and the reasons for it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from fredfmt.data.sources import Source
from fredfmt.distill.augment import augmentation_for, operations
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.baselines import coded_images
from fredfmt.distill.evaluation.held_out import held_out, share_held_out
from fredfmt.distill.evaluation.teacher import Teacher, train_teacher
from fredfmt.distill.layout import Effort, Labels
from fredfmt.distill.networks import NetworkConfig, NetworkFactory
from fredfmt.distill.record import recorded
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.progress import Callback
from fredfmt.distill.trial import Spent, Trial, Way
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size
from fredfmt.transforms import spatial_size

EFFORTS: Mapping[str, Spent] = MappingProxyType(
    {
        "quick": Spent(iterations=200, teacher_steps=400, trial_iterations=100, trial_steps=300, trial_seeds=1),
        "default": Spent(iterations=600, teacher_steps=1200, trial_iterations=200, trial_steps=600, trial_seeds=2),
        "best": Spent(iterations=2000, teacher_steps=4000, trial_iterations=400, trial_steps=1000, trial_seeds=3),
    }
)
_FLOAT = 4
"""Bytes of a float32."""
_LEAST_TO_SPLIT = 10
"""Images of a class below which none are set aside."""
_WIDTH, _WIDTH_ON_DEVICE = 32, 128
_RATE, _FINE = 0.01, 1.0
"""Learning rate of the coefficients in quantization steps, of which those below 1 count as 1: rounding to finer ones
is not noticed by training, and slower rates learn less. Faster ones make noise, which takes bytes."""
_RECOGNITION = 10.0
"""Weight of the teacher's answers in the loss, where a trial finds them useful."""
_BATCH_SYN, _UPDATES = 320, 300
"""Instances per update, and the updates that each of them gets at least: fewer teach it little."""
_MORE = 3
"""So many times as many instances are tried, too, where a teacher helps them: many that are taught little."""
_YOUNG, _OLD, _MANY = 30, 300, 20
"""Ages of the networks of `frepo`, and the number of instances per class from which old ones help."""
LAYOUT = {"ipc", "k", "step"}
"""Settings with any of which the layout is the caller's, and the step is searched after the run."""


@dataclass(frozen=True)
class Chosen:
    """Settings, and the reason for each choice in a sentence.

    >>> Chosen(DistillConfig(k=16), ("hard labels, as asked",)).config.k
    16
    """

    config: DistillConfig
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"settings": self.config.to_json(), "reasons": list(self.reasons)}


def choose(
    source: Source,
    max_bytes: int | None = None,
    *,
    effort: Effort = "default",
    labels: Labels | None = None,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
    factory: NetworkFactory | None = None,
    **given: Any,
) -> Chosen:
    """The settings with which a ``.fred`` file of ``max_bytes`` of this source is expected to be worth most.

    By rule: instances, k and step are those with which real images are coded best in these bytes
    (`fredfmt.distill.coded_images`), and the run starts from these images; ``frepo`` learns coefficients (and soft
    labels), rounds in the loop, and controls the weight of the rate so that the file has its size at that step. By
    trial, on images held out of the train split: whether images may be mirrored, by networks trained on the coded
    images; whether labels are hard or a teacher's, whether the teacher's predictions are part of the loss, and whether
    there are three times as many instances, by networks trained on the results of short runs. At the end of the run
    the same held-out images decide whether its result or its start is kept.

    Parameters
    ----------
    source
        A train split.
    max_bytes
        Size of the whole file in bytes; by default that of one float32 image per class, FreD's IPC of 1 in bytes.
    effort
        A name in `EFFORTS`: how long the run and the trials are.
    labels
        ``"hard"`` or ``"soft"`` in place of the trial.
    device
        Where networks are trained. Those of the run have width 128 on an accelerator, and 32 on a CPU.
    factory
        Makes the networks where ``network`` names a class of your own, as for `fredfmt.distill.distill`; the teacher is
        a ConvNet in this case.
    given
        Settings by name that are not chosen but kept.

    Raises
    ------
    ArgumentError
        If not even one image per class fits, and for unusable settings.

    >>> from fredfmt import open_source
    >>> source = open_source("digits", classes=["3", "5"])
    >>> chosen = choose(source, 1500, effort="quick", labels="hard", augmentation="none", network={"width": 8})
    >>> chosen.config.max_bytes, chosen.config.rate, chosen.config.learn_labels
    (1500, 'auto', False)
    """
    asked = (source, max_bytes, effort, labels, device, progress, factory, given)
    return Ranks.current().from_first(lambda: _choose(*asked))


def _choose(
    source: Source,
    max_bytes: int | None,
    effort: Effort,
    labels: Labels | None,
    device: torch.device | str,
    progress: Callback | None,
    factory: NetworkFactory | None,
    given: Mapping[str, Any],
) -> Chosen:
    if not isinstance(effort, str) or effort not in EFFORTS:
        raise ArgumentError("unknown effort", expected=" or ".join(EFFORTS), found=quoted(effort))
    if max_bytes is None:
        max_bytes = _FLOAT * spatial_size(source.spatial_shape) * source.channels * len(source.classes)
    spent = EFFORTS[effort]
    alone = dict(given)  # what holds without a teacher
    if labels != "hard" and "teacher_steps" not in given and alone.pop("teacher_weight", 0):
        labels = "soft"
    config = _by_rule(source, max_bytes, spent, device, alone)
    reasons = [f"{config.objective} on networks of width {config.network.width} and depth {config.network.depth}"]
    train, held = held_out(source, config)
    few = max(_MANY, config.optimization.iterations * _BATCH_SYN // (_UPDATES * len(train.classes)))

    def code(room: int, at_most: int, teacher: Teacher | None) -> FreDData:
        """Images in the layout of the run."""
        seed, transform = config.run.seed, config.frequencies.transform
        return coded_images(train, room, seed=seed, transform=transform, teacher=teacher, at_most=at_most)

    def way_to(settings: DistillConfig, at_most: int, teacher: Teacher | None = None) -> Way:
        coded = code(max_bytes, at_most, teacher)
        return Way(coded, _settled(settings, coded, train, given), at_most, teacher)

    way = way_to(config, few)
    trial = None if held is None else Trial(source, held, spent, device, progress, factory)
    if trial is None:
        labels = labels or "hard"
        reasons.append("no trials, as there are too few images to set some aside")
    elif "augmentation" not in given and "flip" in config.run.augmentation:
        unmirrored = "_".join(name for name in operations(config.run.augmentation) if name != "flip") or "none"
        mirrored = {
            "images mirrored": way,
            "images not mirrored": replace(way, config=way.config.replace(augmentation=unmirrored)),
        }
        found = trial.best(mirrored)
        way = mirrored[found]
        reasons.append(trial.words)
    if labels != "hard" and "teacher_steps" not in given:
        taught = way.config.replace(**{"teacher_steps": spent.teacher_steps, **given})
        teacher = train_teacher(train, taught, device=device, progress=progress)
        words = f"labels of a teacher ({teacher.accuracy:.1%})"
        ways = {} if labels == "soft" else {"hard labels": way}
        ways[words] = way_to(taught, few, teacher)
        if trial is not None:
            if "teacher_weight" not in given:
                taught = taught.replace(teacher_weight=_RECOGNITION)
                heard = ways[words].config.replace(teacher_weight=_RECOGNITION)
                ways[f"{words} and its answers in the loss"] = replace(ways[words], config=heard)
            if _per_class(way.images) == few:  # otherwise the bytes hold no more, whatever the limit
                many = way_to(taught, _MORE * few, teacher)
                if len(many.images) > len(ways[words].images):
                    ways[f"the same and up to {_MORE * few} instances per class"] = many
        if trial is None or len(ways) == 1:
            way = ways[words]
            reasons.append(f"{words}, as asked")
        else:
            way = ways[trial.best(trial.learned(ways))]
            reasons.append(f"after {spent.trial_iterations} iterations, {trial.words}")
    overhead = _overhead(way.images, way.config)
    try:
        coded = code(max_bytes - overhead, way.at_most, way.teacher)
    except ArgumentError as error:
        raise ArgumentError(
            "max_bytes leaves no room for an image of each class beside the settings of the run",
            expected=f"more than {max_bytes} bytes",
            found=f"{max_bytes} bytes, of which the settings take {overhead}",
        ) from error
    return Chosen(_settled(way.config, coded, train, given), tuple(reasons))


def _by_rule(
    source: Source, max_bytes: int, spent: Spent, device: torch.device | str, given: Mapping[str, Any]
) -> DistillConfig:
    """What needs no trial, but for the layout."""
    width = _WIDTH if torch.device(device).type == "cpu" else _WIDTH_ON_DEVICE
    rule: dict[str, Any] = {
        "max_bytes": max_bytes,
        "network": NetworkConfig(width=width).fitting(source.spatial_shape),
        "augmentation": augmentation_for(source.name, len(source.spatial_shape)),
        "held_out": _share_held_out(source),
    }
    if given.get("objective", "frepo") == "frepo":
        rule |= {"objective": "frepo", "iterations": spent.iterations}
    return DistillConfig(**rule).replace(**given)


def _overhead(coded: FreDData, config: DistillConfig) -> int:
    """Bytes by which the file of a distillation is larger, for the settings that it holds."""
    mask = {"strategy": "low", "scope": config.frequencies.mask_scope, "energy_kept_mean": 0.12345}
    described: dict[str, Any] = {"mask": mask, **recorded(config)}
    return max(0, packed_size(replace(coded, metadata=replace(coded.metadata, **described))) - packed_size(coded))


def _settled(config: DistillConfig, coded: FreDData, train: Source, given: Mapping[str, Any]) -> DistillConfig:
    """The configuration with the layout of the coded images, and what follows from the number of instances."""

    def with_rules(config: DistillConfig, rules: Mapping[str, Any]) -> DistillConfig:
        return config.replace(**{name: value for name, value in rules.items() if name not in given})

    layout: dict[str, Any] = {"mask": "low"}
    if not LAYOUT & set(given):
        layout |= {
            "k": coded.k,
            "ipc": _per_class(coded) * coded.k / spatial_size(train.spatial_shape),
            "step": float(f"{coded.step:.4g}"),
            "quantize_in_loop": True,
            "rate": "auto",
        }
    config = with_rules(config, layout)
    if config.objective != "frepo":
        return config
    each = config.instances_per_class(train.spatial_shape)
    return with_rules(
        config,
        {
            "learn_labels": config.teacher.teacher_steps > 0,
            "batch_syn": _BATCH_SYN if each * len(train.classes) > _BATCH_SYN else 0,
            "pool_age": _OLD if each >= _MANY else _YOUNG,
            "lr": float(f"{_RATE * max(coded.step, _FINE):.2g}"),
        },
    )


def _per_class(coded: FreDData) -> int:
    """The largest number of images of a class: of a mask, as soft labels need not show the class."""
    return int(np.bincount(coded.mask_of).max())


def _share_held_out(source: Source) -> float:
    """Of the images; none where a class has only a few."""
    if source.counts.min() < _LEAST_TO_SPLIT:
        return 0.0
    return float(f"{share_held_out(source):.3g}")
