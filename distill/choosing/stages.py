"""The stages of a choice: a candidate, which each stage may replace, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fredfmt.data.sources import Source
from fredfmt.distill.augment import operations
from fredfmt.distill.choosing.room import check_room, no_room, overhead_of
from fredfmt.distill.choosing.rules import most_at_first, most_coefficients, per_class, settled, unrolled
from fredfmt.distill.choosing.trial import Candidate, Cost, Trial
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.baselines import coded_images
from fredfmt.distill.evaluation.teacher import Teacher
from fredfmt.distill.runtime.memory import return_freed_memory
from fredfmt.distill.settings.layout import Labels
from fredfmt.errors import BudgetError
from fredfmt.model.data import FreDData

_BOTH = 2
"""Short runs of a trial of labels: hard ones, and a teacher's."""
_MORE, _WORTH = 3, 1.5
"""Factor of the larger number of instances that is also tried, and of the number that has to fit for a trial."""


class Stages:
    """Settings and the images that a run with them starts from, at first by rule, and then the better ones of each
    stage. ``given`` settings stay as they are; without a ``trial`` nothing can be compared."""

    def __init__(
        self,
        train: Source,
        max_bytes: int,
        config: DistillConfig,
        given: Mapping[str, Any],
        labels: Labels | None,
        trial: Trial | None,
        cost: Cost,
    ) -> None:
        self._cost = cost
        self._train, self._max_bytes, self._given = train, max_bytes, given
        self._labels, self._trial = labels, trial
        self._few = most_at_first(config, len(train.classes))
        try:
            self.candidate = self._candidate(config, self._few)
        except BudgetError:
            check_room(max_bytes, train, config, given, given.get("k", 1))
            raise
        check_room(max_bytes, train, config, given, self.candidate.images.k)
        network = config.network
        self.reasons = [f"{config.objective} on networks of width {network.width} and depth {network.depth}"]
        self._mirrored = trial is not None and "augmentation" not in given and "flip" in config.run.augmentation
        self.taught = (labels == "soft" or (labels is None and trial is not None)) and "teacher_steps" not in given
        """Whether `choose_labels` needs a teacher."""
        # if the bytes hold no more, the limit of their number does not matter
        self._limited = trial is not None and "ipc" not in given and per_class(self.candidate.images) == self._few

    def amounts(self) -> dict[str, Any]:
        """What the stages compute, as `estimate` takes it; empty if they compute nothing."""
        if not (self._mirrored or self.taught or self._limited):
            return {}
        runs, unrolling = 0, None
        if self._trial is not None:
            both, unrolls = self.taught and self._labels is None, self.taught and self._can_unroll()
            runs = (_BOTH if both else self._limited or unrolls) + self._limited
            unrolling = unrolled(self.candidate.config, self._cost, self._given) if unrolls else None
        tests = runs + 2 * self._mirrored + (unrolling is not None)
        return {"runs": runs, "tests": tests, "taught": self.taught, "unrolling": unrolling}

    def choose_mirroring(self) -> None:
        """Whether images are mirrored, by networks that are trained on the coded images."""
        if self._trial is None:
            why = "no images are held out" if "held_out" in self._given else "there are too few images to hold some out"
            self.reasons.append(f"no trials, as {why}")
        elif self._mirrored:
            config = self.candidate.config
            unmirrored = "_".join(name for name in operations(config.run.augmentation) if name != "flip") or "none"
            both = {
                "images mirrored": self.candidate,
                "images not mirrored": replace(self.candidate, config=config.replace(augmentation=unmirrored)),
            }
            self.candidate = both[self._trial.best(both)]
            self.reasons.append(self._trial.description)

    def choose_labels(self, settings: DistillConfig, teacher: Teacher | None) -> None:
        """Which labels, by networks that are trained on the results of short runs; then, with the best, whether there
        are more instances, if they fit, and whether training is unrolled, if labels are a teacher's. ``settings`` are
        those with the ``teacher``, if there is one."""
        hard = {"a teacher as given" if "teacher_steps" in self._given else "hard labels": self.candidate}
        soft = {} if teacher is None else self._with_labels_of(teacher, settings)
        candidates = soft if self._labels == "soft" and soft else hard | soft
        first = next(iter(candidates))
        self.candidate = candidates[first]
        if len(candidates) == 1 and soft:
            self.reasons.append(f"{first}, as asked")
        unrolls = bool(soft) and self._can_unroll()
        if self._trial is None or not (len(candidates) > 1 or self._limited or unrolls):
            return
        learned = self._trial.learned(candidates)
        self.reasons += [f"{name}: max_bytes leaves no room for images" for name in candidates if name not in learned]
        if not learned:
            return
        best = next(iter(learned))
        if len(learned) > 1:
            best = self._trial.best(learned)
            self.reasons.append(f"after {self._trial.iterations} iterations, {self._trial.description}")
        self.candidate, reached = candidates[best], learned[best]
        if self._limited:
            best, reached = self._choose_number(self._trial, best, reached)
        if unrolls and self.candidate.teacher is not None:
            self._choose_objective(self._trial, best, reached)

    def _can_unroll(self) -> bool:
        """Whether the effort and the given settings allow unrolled training instead of the usual objective."""
        config, given = self.candidate.config, set(self._given)
        free = config.objective == "frepo" and not given & {"objective", "batch_syn"}
        return self._cost.unrolling and free and not config.run.compile

    def _with_labels_of(self, teacher: Teacher, settings: DistillConfig) -> dict[str, Candidate]:
        """The candidate with soft labels; none if they leave no room for images and are not asked for."""
        name = f"labels of a teacher ({teacher.accuracy:.1%})"
        try:
            soft = self._candidate(settings, self._few, teacher)
        except BudgetError as error:
            if self._labels == "soft":
                raise
            self.reasons.append(f"{name}: {error.what}")
            return {}
        return {name: soft}

    def _choose_number(self, trial: Trial, name: str, learned: Candidate) -> tuple[str, Candidate]:
        """Whether there are more instances, by a short run; ``learned`` is that of the candidate ``name``. Returns both
        of the better one."""
        candidate = self.candidate
        many = self._candidate(candidate.config, _MORE * self._few, candidate.teacher)
        if len(many.images) < _WORTH * len(candidate.images):
            return name, learned
        more = f"up to {_MORE * self._few} instances per class"
        both = {name: learned, **trial.learned({more: many})}
        best = trial.best(both, margin=0)
        self.candidate = {name: candidate, more: many}[best]
        self.reasons.append(f"with that, {trial.description}")
        return best, both[best]

    def _choose_objective(self, trial: Trial, name: str, learned: Candidate) -> None:
        """Whether training is unrolled, by a short run; ``learned`` is that of the candidate ``name``."""
        other = replace(self.candidate, config=unrolled(self.candidate.config, self._cost, self._given))
        both = {name: learned, **trial.learned({"unrolled training": other})}
        if trial.best(both, margin=0) != name:
            self.candidate = other
        self.reasons.append(f"with that, {trial.description}")

    def final(self) -> DistillConfig:
        """The settings of the candidate, in a layout that leaves room for them in the file."""
        candidate = self.candidate
        overhead = overhead_of(candidate.images, candidate.config, self._train)
        try:
            coded = self._coded(self._max_bytes - overhead, candidate.at_most, candidate.config, candidate.teacher)
        except BudgetError as error:
            raise no_room(self._max_bytes, overhead, error.least) from error
        return settled(candidate.config, coded, self._train, self._given)

    def _candidate(self, settings: DistillConfig, at_most: int, teacher: Teacher | None = None) -> Candidate:
        coded = self._coded(self._max_bytes, at_most, settings, teacher)
        return Candidate(coded, settled(settings, coded, self._train, self._given), at_most, teacher)

    def _coded(self, room: int, at_most: int, settings: DistillConfig, teacher: Teacher | None) -> FreDData:
        """Real images in ``room`` bytes, in the layout of a run."""
        return_freed_memory()
        layout: dict[str, Any] = {"at_most": at_most, **settings.frequencies.transform_options}
        if "ipc" not in self._given:
            layout |= {"k": self._given.get("k"), "near": self._given.get("step")}
            layout["most_coefficients"] = most_coefficients(self._max_bytes)
        return coded_images(self._train, room, seed=settings.run.seed, teacher=teacher, **layout)
