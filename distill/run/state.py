"""The state of a run between two iterations, which is stored as a dataset or a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.distill.config import DistillConfig
from fredfmt.distill.objectives import Objective, StatefulObjective
from fredfmt.distill.run.rate import EVERY, Rate
from fredfmt.distill.run.recognition import Recognition
from fredfmt.distill.run.record import recorded
from fredfmt.distill.runtime.checkpoint import read_checkpoint, write_checkpoint
from fredfmt.distill.runtime.memory import return_freed_memory
from fredfmt.distill.synset import FrequencySynset
from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData
from fredfmt.model.distillation import NAMED, complete
from fredfmt.model.mapped import release
from fredfmt.storage.files import packed_size

FUSED_FROM = 1 << 22
"""The number of coefficients from which Adam on a CPU is fused: it makes no temporary copies of them, and rounds
differently."""


def settings_in(checkpoint: str | os.PathLike[str]) -> DistillConfig:
    """The settings of the run of a checkpoint. Raises `FormatError` for a file that is not a checkpoint."""
    return DistillConfig.from_json(read_checkpoint(checkpoint)[1]["config"])


class State:
    """The state of a run that starts from the images ``start`` and learns from those that ``source`` describes:
    coefficients, labels and parameters of the objective, their running averages, the optimizer, the loss scale of
    float16 and the weight of the rate."""

    def __init__(
        self,
        start: FreDData,
        config: DistillConfig,
        objective: Objective,
        scaler: torch.amp.GradScaler,
        device: torch.device,
        classes: NDArray[np.integer[Any]],
        source: Mapping[str, Any],
        recognition: Recognition | None = None,
    ) -> None:
        self.start = start
        self.source = source
        self.recognition = recognition
        self.config = config
        self.scaler = scaler
        self.device = device
        self.rate = Rate(config.budget)
        self.synset = FrequencySynset.from_data(
            start,
            loop_step=config.budget.loop_step,
            learn_labels=_learns_labels(config),
            classes=classes,
            device=device,
        )
        release(start.coefficients)
        self.averages = {name: value.detach().clone() for name, value in self.synset.named_parameters()}
        self.memory = objective if isinstance(objective, StatefulObjective) else StatefulObjective()
        self.settings = config.replace(**self.memory.recorded())
        """The settings that files and checkpoints store."""
        self.optimizer = _optimizer(self.synset, self.memory.learned(device), config)
        self.done = 0
        """The number of finished iterations."""

    @property
    def learned(self) -> list[Tensor]:
        """All parameters that the optimizer updates."""
        return [value for group in self.optimizer.param_groups for value in group["params"]]

    def count(self) -> None:
        """Finish an iteration: update the averages and the weight of the rate."""
        self.done += 1
        decay = min(self.config.optimization.average, self.done / (self.done + 9))
        for name, value in self.synset.named_parameters():
            self.averages[name].lerp_(value.detach(), 1 - decay)
        if self.config.budget.steered and self.done % EVERY == 0:
            self.rate.steer(self.size())

    def data(self) -> FreDData:
        """The averaged coefficients, stored as configured, with the configuration in the metadata."""
        return_freed_memory()
        synset, budget = self._averaged(), self.config.budget
        if self.recognition is not None and self.done:
            coded = synset.to_data(step=budget.step)
            synset = self.recognition.labelled(synset, coded)
        return self._stored(synset, self.done)

    def unlearned(self) -> FreDData:
        """The images from which the run started, stored in the same way."""
        return self._stored(FrequencySynset.from_data(self.start), 0)

    def exact(self) -> FreDData:
        """The averaged coefficients in float32."""
        return self._stored(self._averaged(), self.done, step=None, max_bytes=None)

    def size(self) -> int:
        """Bytes of the file with the step of the loop."""
        return packed_size(self._stored(self._averaged(), self.done, max_bytes=None))

    def _averaged(self) -> FrequencySynset:
        coefficients = self.averages["coefficients"].cpu()
        averaged = FrequencySynset(coefficients, self.start, learn_labels=_learns_labels(self.config))
        averaged.load_state_dict(self.averages)
        return averaged

    def _stored(self, synset: FrequencySynset, iterations: int, **options: Any) -> FreDData:
        budget = self.config.budget
        source = self.source if iterations else self.start.metadata.source
        return synset.to_data(
            **{"step": budget.step, "max_bytes": budget.max_bytes, "near": budget.near, **options},
            base=self.config.frequencies.base,
            **recorded(self.settings.replace(iterations=iterations), source, self.memory.recipe()),
        )

    def save(self, path: Path, source: Mapping[str, Any]) -> None:
        """Write a checkpoint; ``source`` is the provenance of the real images."""
        arrays = {"start": self.start.coefficients}
        for part, values in (
            ("learnt", dict(self.synset.named_parameters())),
            ("average", self.averages),
            ("memory", self.memory.state()),
        ):
            arrays |= {f"{part}.{name}": numpy(value) for name, value in values.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            for name, value in state.items():
                if value is not None:
                    arrays[f"optimizer.{index}.{name}"] = numpy(value)
        document = {"iteration": self.done, "scaler": self.scaler.state_dict()}
        document |= {"rate": [self.rate.weight, self.rate.size]}
        document |= {"config": self.settings.to_json(), "source": source}
        write_checkpoint(path, arrays, document)

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any], path: Path, source: Mapping[str, Any]
    ) -> None:
        """Restore what `read_checkpoint` found in ``path``. Raises `ArgumentError` if it is from a different run."""
        self._check_same_run(arrays, document, path, source)
        tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
        self.synset.load_state_dict(_below("learnt", tensors))
        self.averages = {name: value.to(self.device) for name, value in _below("average", tensors).items()}
        self.memory.restore(_below("memory", tensors))
        state: dict[int, dict[str, Any]] = {}
        for name, value in _below("optimizer", tensors).items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.scaler.load_state_dict(document.get("scaler", {}))
        self.rate.weight, self.rate.size = document.get("rate", (self.rate.weight, 0))
        self.done = int(document["iteration"])

    def _check_same_run(
        self, arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any], path: Path, source: Mapping[str, Any]
    ) -> None:
        mine = {"config": _compared(self.settings.to_json()), "source": source}
        theirs = {"config": _compared(document.get("config", {})), "source": document.get("source", {})}
        for part, values in mine.items():
            others = theirs[part]
            if differing := [name for name in sorted({**values, **others}) if values.get(name) != others.get(name)]:
                name = "objective" if "objective" in differing else differing[0]
                raise ArgumentError(
                    f"the checkpoint is from a different run: its {name} differs",
                    where=str(path),
                    expected=values.get(name),
                    found=others.get(name),
                    hint="Use the same settings, or start again without resuming (--restart)",
                )
        if not np.array_equal(arrays.get("start", ()), self.start.coefficients):
            raise ArgumentError(
                "the checkpoint started from other images", where=str(path), hint="Start again (--restart)"
            )
        if document["iteration"] > self.config.optimization.iterations:
            raise ArgumentError(
                "the checkpoint has more iterations than the settings",
                where=str(path),
                expected=f"at most {self.config.optimization.iterations} iterations",
                found=document["iteration"],
                hint="Allow more iterations, or start again without resuming (--restart)",
            )


def _compared(document: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a checkpoint that must be the same, by name. The number of iterations may be increased."""
    settings: dict[str, Any] = {}
    for group, values in complete(document).items():
        if group in NAMED:
            settings[group] = values["name"]
        for name, value in values.get("configuration", {}).items() if group in NAMED else values.items():
            settings[f"{group}.{name}"] = value
    del settings["optimization.iterations"]
    return settings


def _optimizer(
    synset: FrequencySynset, learned: Sequence[dict[str, Any]], config: DistillConfig
) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [{"params": [synset.coefficients]}]
    if synset.logits is not None:
        groups.append({"params": [synset.logits], "lr": config.lr_labels})
    groups += learned
    settings = config.optimization
    if settings.optimizer == "adam":
        large = synset.coefficients.device.type == "cpu" and synset.coefficients.numel() >= FUSED_FROM
        betas = float(settings.momentum), 0.99
        return torch.optim.Adam(groups, lr=settings.lr, betas=betas, fused=True if large else None)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)


def _learns_labels(config: DistillConfig) -> bool:
    """Whether labels are learned, a setting of some objectives."""
    return bool(getattr(config.objective_settings, "learn_labels", False))


def _below(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with ``part`` and a dot, by the rest of the name."""
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}


def numpy(value: Tensor) -> NDArray[Any]:
    """The values of a tensor on any device."""
    return value.detach().cpu().numpy()
