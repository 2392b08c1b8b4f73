"""Settings that choose themselves: a source and a number of bytes in, a configuration and the reasons for it out."""

from __future__ import annotations

import math
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
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.evaluation.protocol import evaluate
from fredfmt.distill.evaluation.settings import EvaluationConfig
from fredfmt.distill.evaluation.teacher import Teacher, train_teacher
from fredfmt.distill.layout import Effort, Labels
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.record import recorded
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size
from fredfmt.transforms import spatial_size


@dataclass(frozen=True)
class Spent:
    """What an effort allows."""

    iterations: int
    teacher_steps: int
    trial_steps: int
    """Optimizer steps of the networks of a trial."""
    trial_seeds: int


EFFORTS: Mapping[str, Spent] = MappingProxyType(
    {
        "quick": Spent(iterations=200, teacher_steps=400, trial_steps=300, trial_seeds=1),
        "default": Spent(iterations=600, teacher_steps=1200, trial_steps=600, trial_seeds=2),
        "best": Spent(iterations=2000, teacher_steps=4000, trial_steps=1000, trial_seeds=3),
    }
)
HELD_OUT = 0.1
"""The share of the train split that choices are made on, of a small set;"""
_MOST_HELD_OUT = 5000
"""so many images at most, of a large one."""
_FLOAT = 4
"""Bytes of a float32."""
_LEAST_TO_SPLIT = 10
"""Images of a class below which none are set aside."""
_WIDTH, _WIDTH_ON_DEVICE = 32, 128
_RATE, _FINE = 0.01, 1.0
"""Learning rate of the coefficients in quantization steps, of which those below 1 count as 1: rounding to finer ones
is not noticed by training, and slower rates learn less. Faster ones make noise, which takes bytes."""
_RECOGNITION = 10.0
"""Weight of the teacher's answers in the loss."""
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

    By rule: instances, k and step are those of real images coded as well as possible in these bytes
    (`fredfmt.distill.coded_images`), which the run starts from; ``frepo`` learns coefficients (and soft labels), rounds
    in the loop, and steers the rate so that the file takes its bytes at that step. By trial, on images held out of the
    train split: whether labels are hard or a teacher's, and whether images may be mirrored, by networks trained on the
    coded images alone. Where the labels of a trial are level, they are the teacher's if these displace no instance. At
    the end of the run the same held-out images say whether its result or its start is kept.

    Parameters
    ----------
    source
        A train split.
    max_bytes
        Of the whole file; left out, those of one float32 image per class, which is FreD's IPC of 1 in bytes.
    effort
        A name in `EFFORTS`: how long the run and the trials are.
    labels
        ``"hard"`` or ``"soft"`` in place of the trial.
    device
        Where networks are trained. Those of the run have width 128 on an accelerator, and 32 on a CPU.
    factory
        What makes networks where ``network`` names one of your own, as `fredfmt.distill.distill` is given; the teacher
        is a ConvNet then.
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

    def code(room: int, at_most: int, teacher: Teacher | None = None) -> FreDData:
        """Images in the layout of the run."""
        seed, transform = config.run.seed, config.frequencies.transform
        return coded_images(train, room, seed=seed, transform=transform, teacher=teacher, at_most=at_most)

    way = _Way(code(max_bytes, few), config, few)
    trial = None if held is None else _Trial(held, config, spent, device, progress, factory)
    if trial is None:
        labels = labels or "hard"
        reasons.append("no trials, as there are too few images to set some aside")
    elif "augmentation" not in given and "flip" in config.run.augmentation:
        unmirrored = "_".join(name for name in operations(config.run.augmentation) if name != "flip") or "none"
        ways = {
            "images mirrored": way,
            "images not mirrored": replace(way, config=config.replace(augmentation=unmirrored)),
        }
        found = trial.best(ways)
        way = ways[found]
        reasons.append(trial.words(found))
    if labels != "hard" and "teacher_steps" not in given:
        settings = {"teacher_steps": spent.teacher_steps, "teacher_weight": _RECOGNITION, **given}
        taught = way.config.replace(**settings)
        teacher = train_teacher(train, taught, device=device, progress=progress)
        words = f"labels of a teacher ({teacher.accuracy:.1%})"
        soft = _Way(code(max_bytes, few, teacher), taught, few, teacher)
        ways = {words: soft} if labels == "soft" else {"hard labels": way, words: soft}
        if len(soft.coded) == len(way.coded):  # a run learns more with a teacher, where its labels displace no instance
            ways = dict(reversed(ways.items()))
        if trial is not None:
            many = _MORE * few
            more = _Way(code(max_bytes, many, teacher), taught, many, teacher)
            if len(more.coded) > len(soft.coded):
                ways[f"{words} and up to {many} instances per class"] = more
        if trial is None or len(ways) == 1:
            found, why = words, f"{words}, as asked"
        else:
            found = trial.best(ways)
            why = trial.words(found)
        way = ways[found]
        reasons.append(why)

    def settled(coded: FreDData) -> DistillConfig:
        """With the layout of coded images."""
        return _settled(way.config, coded, train, given)

    room = max_bytes - _overhead(way.coded, settled(way.coded))
    return Chosen(settled(code(room, way.at_most, way.teacher)), tuple(reasons))


@dataclass(frozen=True)
class _Way:
    """Coded images that a run may start from, and its settings."""

    coded: FreDData
    config: DistillConfig
    at_most: int
    """The largest number of images per class."""
    teacher: Teacher | None = None


def _by_rule(
    source: Source, max_bytes: int, spent: Spent, device: torch.device | str, given: Mapping[str, Any]
) -> DistillConfig:
    """What needs no trial, but for the layout."""
    width = _WIDTH if torch.device(device).type == "cpu" else _WIDTH_ON_DEVICE
    rule: dict[str, Any] = {
        "max_bytes": max_bytes,
        "network": {"width": width, "depth": _depth(source.spatial_shape)},
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
    most = int(np.bincount(coded.mask_of).max())  # each class has a mask, where soft labels need not show the class
    layout: dict[str, Any] = {
        "k": coded.k,
        "ipc": most * coded.k / spatial_size(train.spatial_shape),
        "mask": "low",
        "step": float(f"{coded.step:.4g}"),
    }
    if LAYOUT & set(given):
        layout = {"mask": "low"}
    else:
        layout |= {"quantize_in_loop": True, "rate": "auto"}
    if config.objective == "frepo":
        each = config.replace(**{**layout, **given}).instances_per_class(train.spatial_shape)
        layout |= {
            "learn_labels": config.teacher.teacher_steps > 0,
            "batch_syn": _BATCH_SYN if each * len(train.classes) > _BATCH_SYN else 0,
            "pool_age": _OLD if each >= _MANY else _YOUNG,
            "lr": float(f"{_RATE * max(coded.step, _FINE):.2g}"),
        }
    return config.replace(**{name: value for name, value in layout.items() if name not in given})


class _Trial:
    """Networks trained on coded images and tested on held-out ones."""

    def __init__(
        self,
        held: Source,
        config: DistillConfig,
        spent: Spent,
        device: torch.device | str,
        progress: Callback | None,
        factory: NetworkFactory | None,
    ) -> None:
        self._held, self._spent, self._device, self._progress, self._factory = held, spent, device, progress, factory
        self._network = config.network
        self._found: dict[str, float] = {}
        self._known: dict[tuple[int, str], float] = {}

    def best(self, ways: Mapping[str, _Way]) -> str:
        """The name of the images that networks learn most from: the first, unless others are better by more than chance
        would have it, a standard error of a share of the held-out images."""
        self._found = {name: self._accuracy(way.coded, way.config, name) for name, way in ways.items()}
        first, best = next(iter(ways)), max(self._found, key=self._found.__getitem__)
        share = self._found[first]
        chance = math.sqrt(share * (1 - share) / len(self._held))
        return best if self._found[best] > share + chance else first

    def words(self, chosen: str) -> str:
        """The last outcome, for people."""
        others = [f"{name} {value:.1%}" for name, value in self._found.items() if name != chosen]
        return f"{chosen}: {self._found[chosen]:.1%} of held-out images right, {', '.join(others)}"

    def _accuracy(self, data: FreDData, config: DistillConfig, name: str) -> float:
        key = (id(data), config.run.augmentation)  # the sets of a trial are held by its caller
        if key not in self._known:
            if self._progress is not None:
                self._progress(Progress(f"trying {name}", 0, 1))
            protocol = EvaluationConfig(
                steps=self._spent.trial_steps,
                seeds=self._spent.trial_seeds,
                network=self._network,
                augmentation=config.run.augmentation,
            )
            made = evaluate(data, self._held, protocol, network=self._factory, device=self._device)
            self._known[key] = made.mean
        return self._known[key]


def _depth(spatial_shape: tuple[int, ...]) -> int:
    """Of a convolutional network whose last feature maps have sides of about 4: 3 for 32, 4 for 64, 5 for 128."""
    return max(3, round(math.log2(min(spatial_shape))) - 2)


def _share_held_out(source: Source) -> float:
    """Of the images; none where a class has only a few."""
    if source.counts.min() < _LEAST_TO_SPLIT:
        return 0.0
    return float(f"{min(HELD_OUT, _MOST_HELD_OUT / len(source)):.3g}")
