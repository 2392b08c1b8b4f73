"""Real data distilled on the device as ``fredfmt distill --bytes N`` does, in the minutes that are left.

Each source gets an equal part of them. Settings are those of `fredfmt.distill.choose`, or of a file that it made on
another machine, with networks of width 128 and as many iterations as fit (the first ones are timed). Networks of the
same width are trained on the result and on real images in the same bytes: by the protocol ``steps``, and by ``paper``
where the minutes allow.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from fredfmt import save
from fredfmt.data.sources import Source, open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, choose, compare, distill
from fredfmt.distill.evaluation.schedule import steps_of
from fredfmt.errors import FredError
from fredfmt.storage.files import packed_size
from on_device.running import Row, Running

_WARM, _TIMED = 20, 60
"""Iterations before those that are timed, and their end."""
_OF_TIME = 0.5
"""Of a source's time that is for distilling; the rest is for opening it and for the networks."""
_LEAST = 20.0
"""Seconds below which a source is left out."""
_SEEDS = 3
_WIDTH = 128


@dataclass(frozen=True)
class Task:
    """What to distil, from ``SOURCE[,BYTES[,SETTINGS]]``."""

    source: str
    per_class: float = 3136
    """Bytes."""
    settings: Path | None = None
    """A TOML file; None: they are chosen on the device."""

    @classmethod
    def of(cls, text: str) -> Self:
        source, *more = text.split(",")
        return cls(source, *([float(more[0])] if more else []), *map(Path, more[1:2]))


def opened(run: Running, spec: str, split: str) -> Source:
    """A source whose images are in memory."""
    source = open_source(spec, split=split, data_root=run.data_root, download=False)
    return replace(source, images=np.ascontiguousarray(source.images[np.arange(len(source))]))


def settings_of(run: Running, task: Task, train: Source) -> DistillConfig:
    """The settings of a task, with networks of the width of the benchmark."""
    if task.settings is not None:
        return DistillConfig.from_toml(task.settings).replace(width=_WIDTH)
    small: dict[str, Any] = {"network": {"width": 4}, "teacher_width": 4, "teacher_steps": 20, "augmentation": "none"}
    max_bytes = round(task.per_class * len(train.classes))
    return choose(train, max_bytes, effort="quick", device=run.device, **small if run.tiny else {}).config


def rate(train: Source, config: DistillConfig, run: Running) -> float:
    """Seconds per iteration."""
    at: dict[int, float] = {}
    warm, timed = (0, 10) if run.tiny else (_WARM, _TIMED)
    at[0] = time.perf_counter()
    distill(
        train,
        config.replace(iterations=timed, held_out=0.0),
        device=run.device,
        progress=lambda progress: at.setdefault(progress.done, time.perf_counter()),
    )
    return (at[timed] - at[warm]) / (timed - warm)


def rows_of(run: Running, task: Task, seconds: float) -> list[Row]:
    """The accuracies of the file and of the baselines, in about so many seconds."""
    began = time.monotonic()
    until = began + seconds
    train, test = opened(run, task.source, "train"), opened(run, task.source, "test")
    config = settings_of(run, task, train)
    each = rate(train, config, run)
    left = seconds * _OF_TIME - (time.monotonic() - began)
    iterations = 10 if run.tiny else max(_TIMED, int(left / each))
    began = time.monotonic()
    data = distill(train, config.replace(iterations=iterations), device=run.device)
    spent = time.monotonic() - began
    name = f"{task.source.rpartition('/')[2]}, {task.per_class:,.0f} bytes per class"
    if run.files is not None:
        run.files.mkdir(parents=True, exist_ok=True)
        save(data, run.files / f"{name.split(',')[0]}-{task.per_class:.0f}.fred")
    facts = f"{len(data):,} instances, k={data.k}, {packed_size(data):,} bytes, {each * 1e3:.1f} ms an iteration"
    made: list[Row] = []

    def measured(protocol: EvaluationConfig, baselines: list[str]) -> None:
        start = time.monotonic()
        found = compare(data, train, test, protocol, baselines=baselines, device=run.device)
        accuracy = {row.name: row.evaluation.mean * 100 for row in found}
        others = ", ".join(f"{one} {value:.1f}" for one, value in accuracy.items() if one not in ("file", "own start"))
        made.append(
            {
                "what": f"{name}: {protocol.protocol}",
                "unit": "test %",
                "fredfmt": accuracy["file"],
                "plain": accuracy["own start"],
                "note": f"plain: its own start; {others or '-'}; {iterations:,} iterations in {spent:.0f} s; {facts}",
                "accuracies": {row.name: list(row.evaluation.accuracies) for row in found},
                "protocol": protocol.words(),
                "settings": config.to_json(),
                "seconds": time.monotonic() - start,
            }
        )

    network: dict[str, Any] = {"width": 4} if run.tiny else {"width": _WIDTH}
    shorter: dict[str, Any] = {"steps": 20, "seeds": 1} if run.tiny else {"seeds": _SEEDS}
    measured(EvaluationConfig.for_data(data, **network, **shorter), ["own-start", "coded", "coded-soft", "whole"])
    paper = EvaluationConfig.for_data(data, protocol="paper", **network, seeds=1)
    steps = steps_of(paper, len(data))
    spent_steps = 4 * _SEEDS * 1000  # of four sets and their networks
    if run.tiny or steps * 2 * made[0]["seconds"] / spent_steps < until - time.monotonic():
        measured(paper.replace(epochs=2) if run.tiny else paper, ["own-start"])
    return made


def rows(run: Running) -> list[Row]:
    """Two per task, or one if the minutes do not allow the protocol ``paper``."""
    made: list[Row] = []
    tasks = [Task("digits", 200)] if run.tiny else [Task.of(text) for text in run.learn]
    for number, task in enumerate(tasks):
        share = run.left() / (len(tasks) - number)
        if share < _LEAST and not run.tiny:
            made.append({"what": task.source, "note": f"left out: {share:.0f} s left"})
            continue
        try:
            made += rows_of(run, task, share)
        except FredError as error:
            made.append({"what": task.source, "note": f"left out: {error}"})
    return made
