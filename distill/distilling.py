"""`distill`: learns a small synthetic dataset from real images."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import Any

import torch

from fredfmt.data.sources import Source, expect_source
from fredfmt.distill.choosing import choose
from fredfmt.distill.choosing.estimate import in_words, seconds_of
from fredfmt.distill.config import DistillConfig, in_space_of
from fredfmt.distill.networks import NetworkFactory, name_of
from fredfmt.distill.objectives import Objective
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.interruption import noting_interrupts
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.errors import AccessError, FredError
from fredfmt.model.arguments import expect_kind
from fredfmt.model.data import FreDData
from fredfmt.storage.writing import check_target

_log = logging.getLogger(__name__)
_REPORT_EVERY = 10


class DistillationStopped(FredError):
    """Raised after Ctrl-C; ``data`` is the current result, which can be used."""

    def __init__(self, data: FreDData, iteration: int, config: DistillConfig, checkpoint: Path | None) -> None:
        hint = f"The checkpoint is {checkpoint}; run the same command again to continue" if checkpoint else ""
        super().__init__(f"stopped after iteration {iteration} of {config.optimization.iterations}", hint=hint)
        self.data = data
        self.iteration = iteration


def distill(
    source: Source,
    config: DistillConfig | None = None,
    *,
    objective: type[Objective] | None = None,
    network: NetworkFactory | None = None,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    resume: bool = True,
) -> FreDData:
    """Learn a few instances per class for training in place of ``source``.

    In a process group of ``torch.distributed`` the work is divided among the processes, each with its own ``device``.
    All return the same result, which does not depend on their number up to rounding. Only the first process writes and
    reads the checkpoint.

    Parameters
    ----------
    source
        Real images to learn from, usually a train split. They are read batch by batch, and with ``config.zca`` once
        more before.
    config
        All settings, which the metadata record. The same settings give the same result, bit for bit on a CPU with the
        same number of threads. None: the settings that `choose` finds for as many bytes as a float32 image per class
        takes, as for ``fredfmt distill`` without options.
    objective
        A custom class that replaces the objective of ``config``; see `fredfmt.distill.objectives`.
    network
        A callable ``(channels, spatial_shape, classes) -> nn.Module`` that replaces the network of ``config``; the
        metadata record its name, ``module:name``. Torch's global generators are seeded for the call and restored.
        ``dm`` and ``frepo`` need modules with a method ``embed``, which returns the features before the last layer.
    device
        Device to compute on; random numbers do not depend on it.
    progress
        Called every ten iterations, on the first of several processes.
    checkpoint
        A file for the state of the run, which is written atomically every ``checkpoint_every`` iterations and when the
        run is stopped. It is kept at the end.
    resume
        Whether to continue from ``checkpoint`` if it exists; the result is the same as without the interruption. False:
        start again.

    Raises
    ------
    ArgumentError
        For settings that do not fit the source, or a checkpoint of a different run.
    DivergenceError
        If the loss becomes NaN or infinite, or coefficients become larger than those of any image.
    DistillationStopped
        After Ctrl-C, at the end of the iteration, with the current result.

    >>> from fredfmt import open_source
    >>> from fredfmt.distill import DistillConfig
    >>> config = DistillConfig(objective="dm", ipc=1, k=16, iterations=2, batch_real=4, network={"width": 4})
    >>> data = distill(open_source("digits", classes=["3", "5"]), config)
    >>> data.coefficients.shape, data.metadata.distillation["objective"]["name"]
    ((8, 1, 16), 'dm')
    """
    expect_source(source)
    if config is not None:
        expect_kind(config, DistillConfig, "not settings", expected="a DistillConfig or None")
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None:
        check_target(path)
    changes: dict[str, Any] = {} if objective is None else {"objective": objective}
    if network is not None:
        changes["network"] = name_of(network)
    if config is None:
        kept = path if resume else None
        config = choose(source, device=device, progress=progress, factory=network, checkpoint=kept, **changes).config
    elif changes:
        config = config.replace(**changes)
    iterations = config.optimization.iterations
    run = Run(in_space_of(config, source), config, device, network)
    if path is not None and resume:
        run.restore(path)
    run.announce(device)
    if config.budget.max_bytes is not None and run.state.done == 0:
        run.state.data()  # raises if the number of bytes is too small
    with noting_interrupts() as interruption:
        while run.state.done < iterations:
            run.step()
            stop = run.ranks.any(interruption.wanted)
            reported = stop or run.state.done == iterations or run.state.done % _REPORT_EVERY == 0
            due = path is not None and run.state.done % checkpoint_every == 0
            loss = run.mean_loss() if reported or due else math.nan
            if reported:
                if progress is not None and run.ranks.first:
                    progress(Progress("distilling", run.state.done, iterations, loss, run.state.exact))
                stop = run.ranks.any(interruption.wanted)
            if path is not None and (due or stop or run.state.done == iterations):
                try:
                    run.save(path)
                except AccessError as error:
                    if run.state.done < iterations:
                        raise
                    _log.warning("%s; the run is complete, so its result is kept without a checkpoint", error)
                else:
                    _log.info("iteration %d of %d: loss %.4g, checkpoint %s", run.state.done, iterations, loss, path)
            if stop and run.state.done < iterations:
                raise DistillationStopped(run.state.data(), run.state.done, config, path)
    return run.best(progress)


def duration(
    source: Source, config: DistillConfig, device: torch.device | str = "cpu", network: NetworkFactory | None = None
) -> str:
    """The estimated duration of a run on this machine, in words, measured by a few iterations whose result is
    discarded. The teacher is kept for the next run with the same source and settings."""
    run = Run(in_space_of(config, source), config, device, network)
    seconds = seconds_of(run.step, device) * config.optimization.iterations
    comparison = ", and then a comparison with the start" if config.run.held_out else ""
    return f"{config.optimization.iterations:,} iterations, about {in_words(seconds)} on this machine{comparison}"
