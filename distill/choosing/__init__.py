"""Chooses settings: the best configuration for a source and a number of bytes, with the reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import torch

from fredfmt.data.sources import Source, expect_source
from fredfmt.distill.augment import operations
from fredfmt.distill.choosing.estimate import estimate
from fredfmt.distill.choosing.room import check_room, no_room, overhead_of
from fredfmt.distill.choosing.rules import (
    by_rule,
    iterations_of,
    most_at_first,
    most_coefficients,
    per_class,
    settled,
)
from fredfmt.distill.choosing.trial import Candidate, Cost, Trial
from fredfmt.distill.config import DistillConfig, in_space_of
from fredfmt.distill.evaluation.baselines import coded_images
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.evaluation.teacher import Teacher, train_teacher
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.run.state import settings_of
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.memory import return_freed_memory
from fredfmt.distill.runtime.progress import Callback
from fredfmt.distill.settings.layout import Effort, Labels
from fredfmt.errors import ArgumentError, BudgetError, quoted
from fredfmt.model.data import FreDData
from fredfmt.transforms import spatial_size

EFFORTS: Mapping[str, Cost] = MappingProxyType(
    {
        "quick": Cost(iterations=200, teacher_steps=400, trial_iterations=100, trial_steps=300, trial_seeds=1),
        "default": Cost(iterations=600, teacher_steps=1200, trial_iterations=200, trial_steps=600, trial_seeds=2),
        "best": Cost(iterations=2000, teacher_steps=4000, trial_iterations=400, trial_steps=1000, trial_seeds=3),
    }
)
_FLOAT = 4
"""Bytes of a float32."""
_RECOGNITION = 10.0
"""Weight of the divergence from the teacher's predictions in the loss, if a trial finds it useful."""
_CANDIDATES: Mapping[Labels | None, int] = MappingProxyType({None: 3, "soft": 2})
"""The most candidates of a trial of labels, if there is a teacher."""
_SIXTEENTH = 16
"""With a budget of stored values, k is this part of all frequencies, as in the paper."""
_MORE = 3
"""Factor of the larger number of instances that is also tried."""
_LAYOUT = {"ipc", "k", "step"}
"""The settings of the layout. If ``ipc`` is given, it is not chosen, and the step is searched after the run."""


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


def chosen_by_default(given: Collection[str]) -> bool:
    """Whether `fredfmt distill` chooses settings if these are given: with a number of bytes, or without a layout.

    >>> chosen_by_default({"max_bytes", "k"}), chosen_by_default({"k"}), chosen_by_default({"iterations"})
    (True, False, True)
    """
    return "max_bytes" in given or not _LAYOUT & set(given)


def choose(
    source: Source,
    max_bytes: int | None = None,
    *,
    effort: Effort = "default",
    labels: Labels | None = None,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
    factory: NetworkFactory | None = None,
    checkpoint: Path | None = None,
    announce: Callable[[str], object] | None = None,
    **given: Any,
) -> Chosen:
    """Choose the settings expected to give the most accurate ``.fred`` file of at most ``max_bytes``.

    By rule: instances, k and step are those with which real images are coded best in these bytes
    (`fredfmt.distill.coded_images`), and the run starts from these images; ``frepo`` learns coefficients (and soft
    labels), rounds in the loop, and adjusts the weight of the rate term so that the file meets its budget at about that
    step. By trial, on images held out of the train split: whether images may be mirrored, by networks trained on the
    coded images; whether labels are hard or a teacher's, whether the divergence from the teacher's predictions is part
    of the loss, and then, with the best of these and if they fit, whether there are three times as many instances, by
    networks trained on the results of short runs.
    At the end of the run the same held-out images decide whether its result or its start is kept.

    Parameters
    ----------
    source
        A train split.
    max_bytes
        Maximum size of the whole file in bytes; by default that of one float32 image per class (FreD's IPC of 1).
    effort
        A name in `EFFORTS`: the length of the run and the trials.
    labels
        ``"hard"`` or ``"soft"``; by default chosen by trial.
    device
        Where networks are trained. Those of the run have width 128 on an accelerator, and 32 on a CPU.
    factory
        Makes the networks if ``network`` names a custom one, as for `fredfmt.distill.distill`; the teacher is then a
        ConvNet.
    checkpoint
        A file of a stopped run. If it exists, its settings are kept, except the given ones, and nothing is chosen.
    announce
        Called before the trials with their estimated duration and that of the run, in words.
    given
        Settings, by name, that are kept as given.

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
    expect_source(source)
    if not isinstance(effort, str) or effort not in EFFORTS:
        raise ArgumentError("unknown effort", expected=" or ".join(EFFORTS), found=quoted(effort))
    if labels is not None and labels not in get_args(Labels):
        raise ArgumentError("unknown labels", expected=" or ".join(get_args(Labels)), found=quoted(labels))
    if max_bytes is None:
        max_bytes = _FLOAT * spatial_size(source.spatial_shape) * source.channels * len(source.classes)
    if checkpoint is not None and checkpoint.exists():
        settings = settings_of(checkpoint)
        _check_continued(settings, effort, labels, given, checkpoint)
        return Chosen(settings.replace(**given, max_bytes=max_bytes), ())
    asked = (source, max_bytes, effort, labels, device, progress, factory, announce, given)
    return Ranks.current().from_first(lambda: _choose(*asked))


def _check_continued(
    settings: DistillConfig, effort: Effort, labels: Labels | None, given: Mapping[str, Any], checkpoint: Path
) -> None:
    """Raise `ArgumentError` if another effort or other labels are asked for than those of a stopped run."""
    soft = "soft" if settings.teacher.teacher_steps else "hard"
    iterations = settings.optimization.iterations
    of_effort = iterations_of(EFFORTS[effort], settings.objective)
    for what, asked, found in (
        ("labels", soft if labels is None or "teacher_steps" in given else labels, soft),
        ("iterations", iterations if "iterations" in given else of_effort, iterations),
    ):
        if asked != found:
            raise ArgumentError(
                f"the checkpoint is from a different run: its {what} differ",
                where=str(checkpoint),
                expected=asked,
                found=found,
                hint="Ask for the same effort and labels as before, or start again (--restart)",
            )


def _choose(
    source: Source,
    max_bytes: int,
    effort: Effort,
    labels: Labels | None,
    device: torch.device | str,
    progress: Callback | None,
    factory: NetworkFactory | None,
    announce: Callable[[str], object] | None,
    given: Mapping[str, Any],
) -> Chosen:
    cost = EFFORTS[effort]
    if "ipc" in given and "k" not in given:
        given = {**given, "k": max(1, spatial_size(source.spatial_shape) // _SIXTEENTH)}
    alone = dict(given)  # the settings of runs without a teacher
    if labels != "hard" and "teacher_steps" not in given and alone.pop("teacher_weight", 0):
        labels = "soft"
    config = by_rule(source, max_bytes, cost, device, alone)
    reasons = [f"{config.objective} on networks of width {config.network.width} and depth {config.network.depth}"]
    source = in_space_of(config, source)
    train, held = held_out(source, config)
    few = most_at_first(config, len(train.classes))

    def code(room: int, at_most: int, teacher: Teacher | None) -> FreDData:
        """Images in the layout of the run."""
        return_freed_memory()
        layout: dict[str, Any] = {"at_most": at_most, "transform": config.frequencies.transform}
        if "ipc" not in given:
            layout |= {
                "k": given.get("k"),
                "near": given.get("step"),
                "most_coefficients": most_coefficients(max_bytes),
            }
        return coded_images(train, room, seed=config.run.seed, teacher=teacher, **layout)

    def candidate_of(settings: DistillConfig, at_most: int, teacher: Teacher | None = None) -> Candidate:
        coded = code(max_bytes, at_most, teacher)
        return Candidate(coded, settled(settings, coded, train, given), at_most, teacher)

    try:
        candidate = candidate_of(config, few)
    except BudgetError:
        check_room(max_bytes, train, config, given, given.get("k", 1))
        raise
    check_room(max_bytes, train, config, given, candidate.images.k)
    trial = None if held is None else Trial(source, held, cost, device, progress, factory)
    mirroring = trial is not None and "augmentation" not in given and "flip" in config.run.augmentation
    taught = (labels == "soft" or (labels is None and trial is not None)) and "teacher_steps" not in given
    # if the bytes hold no more, the limit of their number does not matter
    limited = trial is not None and "ipc" not in given and per_class(candidate.images) == few
    if announce is not None and (mirroring or taught or limited):
        runs = (_CANDIDATES[labels] if taught else limited) + limited if trial is not None else 0
        amounts: dict[str, Any] = {"runs": runs, "tests": runs + 2 * mirroring, "taught": taught}
        announce(estimate(source, candidate.config, cost, **amounts, device=device, factory=factory))
    if trial is None:
        labels = labels or "hard"
        why = "no images are held out" if "held_out" in given else "there are too few images to hold some out"
        reasons.append(f"no trials, as {why}")
    elif mirroring:
        unmirrored = "_".join(name for name in operations(config.run.augmentation) if name != "flip") or "none"
        mirrored = {
            "images mirrored": candidate,
            "images not mirrored": replace(candidate, config=candidate.config.replace(augmentation=unmirrored)),
        }
        found = trial.best(mirrored)
        candidate = mirrored[found]
        reasons.append(trial.description)
    first = "a teacher as given" if "teacher_steps" in given else "hard labels"
    candidates = {} if taught and labels == "soft" else {first: candidate}
    if taught:
        settings = candidate.config.replace(**{"teacher_steps": cost.teacher_steps, **given})
        teacher = train_teacher(train, settings, device=device, progress=progress)
        soft = f"labels of a teacher ({teacher.accuracy:.1%})"
        try:
            candidates[soft] = candidate_of(settings, few, teacher)
        except BudgetError as error:
            if labels == "soft":
                raise
            reasons.append(f"{soft}: {error.what}")
        if trial is not None and soft in candidates and "teacher_weight" not in given:
            with_divergence = candidates[soft].config.replace(teacher_weight=_RECOGNITION)
            described = f"{soft} and the divergence from its predictions in the loss"
            candidates[described] = replace(candidates[soft], config=with_divergence)
        if labels == "soft":
            candidate = candidates[soft]
            if len(candidates) == 1:
                reasons.append(f"{soft}, as asked")
    if trial is not None and (len(candidates) > 1 or limited):
        learned = trial.learned(candidates)
        reasons += [f"{name}: max_bytes leaves no room for images" for name in candidates if name not in learned]
        if learned:
            best = next(iter(learned))
            if len(learned) > 1:
                best = trial.best(learned)
                reasons.append(f"after {cost.trial_iterations} iterations, {trial.description}")
            candidate = candidates[best]
            many = candidate_of(candidate.config, _MORE * few, candidate.teacher) if limited else candidate
            if len(many.images) > len(candidate.images):
                more = f"up to {_MORE * few} instances per class"
                both = {best: learned[best], **trial.learned({more: many})}
                candidate = {best: candidate, more: many}[trial.best(both, margin=0)]
                reasons.append(f"with that, {trial.description}")
    overhead = overhead_of(candidate.images, candidate.config, train)
    try:
        coded = code(max_bytes - overhead, candidate.at_most, candidate.teacher)
    except BudgetError as error:
        raise no_room(max_bytes, overhead, error.least) from error
    return Chosen(settled(candidate.config, coded, train, given), tuple(reasons))
