"""Real data distilled and tested with the published protocol, in the minutes that are left.

Each source gets an equal part of them: feature regression (`frepo`) at IPC = 1, float32, k = 49 of grey and 64 of other
images, for as many iterations as fit (the first ones are timed), then networks of width 128, as wide as the one that
learned, by the protocol ``paper``, on the file and on the real images that it started from in the same layout.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from fredfmt.data.sources import Source, open_source
from fredfmt.distill import DistillConfig, EvaluationConfig, NetworkConfig, distill, evaluate, own_start
from fredfmt.errors import FredError
from on_device.running import Row, Running

_WARM, _TIMED = 20, 60
"""Iterations before those that are timed, and their end."""
_OF_TIME = 0.6
"""Of a source's time that is for distilling; the rest is for opening it and for the networks."""
_LEAST = 20.0
"""Seconds below which a source is left out."""
_FREPO = {"pool_age": 300, "batch_real": 256}
_SEEDS = 2


def opened(run: Running, spec: str, split: str) -> Source:
    """A source whose images are in memory."""
    source = open_source(spec, split=split, data_root=run.data_root, download=False)
    return replace(source, images=np.ascontiguousarray(source.images[np.arange(len(source))]))


def rate(train: Source, config: DistillConfig, run: Running) -> float:
    """Seconds per iteration."""
    at: dict[int, float] = {}
    warm, timed = (0, 10) if run.tiny else (_WARM, _TIMED)
    at[0] = time.perf_counter()
    distill(
        train,
        config.replace(iterations=timed),
        device=run.device,
        progress=lambda progress: at.setdefault(progress.done, time.perf_counter()),
    )
    return (at[timed] - at[warm]) / (timed - warm)


def row(run: Running, spec: str, seconds: float) -> Row:
    """Accuracies of a source, in about so many seconds."""
    began = time.monotonic()
    train, test = opened(run, spec, "train"), opened(run, spec, "test")
    size: dict[str, Any] = {"width": 4, "depth": 2} if run.tiny else {"width": 128}
    k = 16 if run.tiny else 49 if train.channels == 1 else 64
    own = _FREPO | ({"batch_real": 4} if run.tiny else {})
    config = DistillConfig(objective="frepo", ipc=1, k=k, step=None, network=NetworkConfig(**size), **own)
    each = rate(train, config, run)
    left = seconds * _OF_TIME - (time.monotonic() - began)
    iterations = 10 if run.tiny else max(_TIMED, int(left / each))
    began = time.monotonic()
    data = distill(train, config.replace(iterations=iterations), device=run.device)
    spent = time.monotonic() - began
    shorter = {"epochs": 2, "seeds": 1} if run.tiny else {"seeds": _SEEDS}
    protocol = EvaluationConfig.for_data(data, protocol="paper", network=NetworkConfig(**size), **shorter)
    reached = evaluate(data, test, protocol, device=run.device)
    start = evaluate(own_start(data, train), test, replace(protocol, seeds=1), device=run.device)
    return {
        "what": f"{spec.rpartition('/')[2]}: frepo, IPC 1, {len(data)} of k={k}",
        "unit": "test %",
        "fredfmt": reached.mean * 100,
        "plain": start.mean * 100,
        "note": f"{iterations:,} iterations in {spent:.0f} s, {len(test):,} test images; plain: its own start",
        "accuracies": list(reached.accuracies),
        "iterations": iterations,
        "seconds": spent,
    }


def rows(run: Running) -> list[Row]:
    """One per source."""
    made: list[Row] = []
    specs = ("digits",) if run.tiny else run.learn
    for number, spec in enumerate(specs):
        share = run.left() / (len(specs) - number)
        if share < _LEAST and not run.tiny:
            made.append({"what": spec, "note": f"left out: {share:.0f} s left"})
            continue
        try:
            made.append(row(run, spec, share))
        except FredError as error:
            made.append({"what": spec, "note": f"left out: {error}"})
    return made
