"""Chooses settings: the best configuration for a source and a number of bytes, with the reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import torch

from fredfmt.data.sources import Source, expect_source
from fredfmt.distill.choosing.estimate import estimate
from fredfmt.distill.choosing.rules import by_rule, iterations_of
from fredfmt.distill.choosing.stages import Stages
from fredfmt.distill.choosing.trial import Cost, Trial
from fredfmt.distill.config import DistillConfig, in_space_of
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.evaluation.teacher import train_teacher
from fredfmt.distill.networks import NetworkFactory
from fredfmt.distill.run.state import settings_in
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.progress import Callback
from fredfmt.distill.settings.layout import Effort, Labels
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.distillation import complete
from fredfmt.transforms import spatial_size

EFFORTS: Mapping[str, Cost] = MappingProxyType(
    {
        "quick": Cost(
            iterations=200, teacher_steps=400, trial_iterations=100, trial_steps=300, trial_seeds=1, unrolling=False
        ),
        "default": Cost(
            iterations=600, teacher_steps=1200, trial_iterations=200, trial_steps=600, trial_seeds=3, small=3
        ),
        "best": Cost(
            iterations=2000, teacher_steps=1200, trial_iterations=400, trial_steps=1000, trial_seeds=3, small=3
        ),
    }
)
_FLOAT = 4
"""Bytes of a float32."""
_SIXTEENTH = 16
"""With a budget of stored values, k is this part of all frequencies, as in the paper."""
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
        """Plain JSON values: all settings in a document for `DistillConfig.from_json`, and the reasons."""
        short = self.config.to_json()
        return {"settings": {**short, **complete(short)}, "reasons": list(self.reasons)}


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
    coded images; whether labels are hard or a teacher's, then, with the better ones and if they fit, whether there are
    three times as many instances, and, with a teacher's labels and except for the effort ``quick``, whether training is
    unrolled (``unroll``) instead, by networks trained on the results of short runs.
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
    cost = EFFORTS[effort].for_images(source.spatial_shape)
    if checkpoint is not None and checkpoint.exists():
        settings = settings_in(checkpoint)
        _check_continued(settings, cost, labels, given, checkpoint)
        return Chosen(settings.replace(**given, max_bytes=max_bytes), ())
    asked = (source, max_bytes, cost, labels, device, progress, factory, announce, given)
    return Ranks.current().from_first(lambda: _choose(*asked))


def _check_continued(
    settings: DistillConfig, cost: Cost, labels: Labels | None, given: Mapping[str, Any], checkpoint: Path
) -> None:
    """Raise `ArgumentError` if another effort or other labels are asked for than those of a stopped run."""
    soft = "soft" if settings.teacher.teacher_steps else "hard"
    iterations = settings.optimization.iterations
    of_effort = iterations_of(cost, settings.objective)
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
    cost: Cost,
    labels: Labels | None,
    device: torch.device | str,
    progress: Callback | None,
    factory: NetworkFactory | None,
    announce: Callable[[str], object] | None,
    given: Mapping[str, Any],
) -> Chosen:
    if "ipc" in given and "k" not in given:
        given = {**given, "k": max(1, spatial_size(source.spatial_shape) // _SIXTEENTH)}
    alone = dict(given)  # the settings of runs without a teacher
    if labels != "hard" and "teacher_steps" not in given and alone.pop("teacher_weight", 0):
        labels = "soft"
    config = by_rule(source, max_bytes, cost, device, alone)
    source = in_space_of(config, source)
    train, held = held_out(source, config)
    trial = None if held is None else Trial(source, held, cost, device, progress, factory)
    stages = Stages(train, max_bytes, config, given, labels, trial, cost)
    if announce is not None and (amounts := stages.amounts()):
        announce(estimate(source, stages.candidate.config, cost, **amounts, device=device, factory=factory))
    stages.choose_mirroring()
    settings = stages.candidate.config.replace(**{"teacher_steps": cost.teacher_steps, **given})
    teacher = train_teacher(train, settings, device=device, progress=progress) if stages.taught else None
    stages.choose_labels(settings, teacher)
    return Chosen(stages.final(), tuple(stages.reasons))
