"""`train_experts`: trains networks on real images and stores their trajectories in a folder."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fredfmt.data.sources import Source
from fredfmt.distill.augment import draw_augmentation, operations
from fredfmt.distill.experts.settings import ExpertConfig
from fredfmt.distill.experts.store import Experts, ExpertSettings, begin, finished, write_expert
from fredfmt.distill.networks import NetworkFactory, make_network, name_of, seeded
from fredfmt.distill.networks.room import room_for
from fredfmt.distill.networks.training import add_gradients, reader
from fredfmt.distill.runtime.interruption import noting_interrupts
from fredfmt.distill.runtime.memory import keep_freed_memory
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.distill.runtime.randomness import generator
from fredfmt.errors import ArgumentError, FredError

_LARGEST_LOSS = 1e4
"""The largest mean cross-entropy of an epoch of a network that learns."""
_WAIT = 0.2
"""Seconds between two checks that the processes are alive."""

Stop = Callable[[], bool]
Report = Callable[[float], None]


class ExpertsStopped(FredError):
    """Raised after Ctrl-C; the experts that were finished before are in the folder."""


class ExpertError(FredError):
    """An expert could not be trained."""


@dataclass(frozen=True)
class _Task:
    """Everything that a process needs to train an expert."""

    source: Source
    settings: ExpertSettings
    folder: Path
    device: str
    factory: NetworkFactory | None = None


def train_experts(
    source: Source,
    folder: str | os.PathLike[str],
    config: ExpertConfig | None = None,
    *,
    count: int = 10,
    first: int = 0,
    workers: int = 1,
    network: NetworkFactory | None = None,
    device: torch.device | str = "cpu",
    progress: Callback | None = None,
) -> Experts:
    """Train networks on real images and keep their parameters after every epoch, for trajectory matching.

    Experts that are already in ``folder`` are kept, so the same call resumes after an interruption; an unfinished
    expert is trained again. The parameters of an expert depend only on ``config`` and its number: bit for bit on a CPU
    with the same number of threads.

    Parameters
    ----------
    source
        Real images, usually a train split, which are read batch by batch.
    folder
        The folder, which is created if it does not exist. It must not contain experts with other settings.
    config
        All settings, which are stored in the folder. With ``zca``, images are whitened by the statistics of ``source``.
    count, first
        The numbers of the experts: ``count`` of them, from ``first`` on. Several machines can share the work by number.
    workers
        Number of processes, among which the threads of torch are divided.
    network
        A callable ``(channels, spatial_shape, classes) -> nn.Module`` that replaces the network of ``config``, with one
        worker only.
    device
        Device to compute on.
    progress
        Called after every epoch of an expert.

    Raises
    ------
    ArgumentError
        For unusable numbers, or a folder that contains experts with other settings.
    ExpertError
        If the parameters become NaN or infinite, or a process dies.
    ExpertsStopped
        After Ctrl-C; finished experts are kept.

    >>> from fredfmt import open_source
    >>> source = open_source("digits", classes=["3", "5"]).sample(8)
    >>> made = train_experts(source, "experts", ExpertConfig(epochs=2, network={"width": 2}), count=1)
    >>> made.numbers, len(made.parameters(0, 2)) == made.settings.size
    ((0,), True)
    """
    config = config or ExpertConfig()
    for name, value, least in (("count", count, 1), ("first", first, 0), ("workers", workers, 1)):
        if value < least:
            raise ArgumentError(f"unusable {name}", expected=f"at least {least}", found=value)
    if network is not None:
        config = config.replace(network=name_of(network))
        if workers > 1:
            raise ArgumentError(
                "a custom network can only be trained in this process", expected="1 worker", found=workers
            )
    operations(config.augmentation, len(source.spatial_shape))  # raises for operations that do not fit
    source = source.in_space(config.zca_epsilon if config.zca else None)
    task = _Task(source, _settings(source, config, network), Path(folder), str(device), network)
    begin(task.folder, task.settings)
    there = set(finished(task.folder))
    numbers = [number for number in range(first, first + count) if number not in there]
    done = 0

    def report(loss: float) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(Progress("training experts", done, len(numbers) * config.epochs, loss))

    with noting_interrupts() as interruption:
        if workers == 1 or len(numbers) < 2:
            for number in numbers:
                _train(task, number, lambda: interruption.wanted, report)
        else:
            _train_in_processes(task, numbers, workers, lambda: interruption.wanted, report)
    if missing := set(numbers) - set(finished(task.folder)):
        raise ExpertsStopped(
            f"stopped, {len(missing)} experts are missing", hint="Run the same command again to continue"
        )
    return Experts(task.folder)


def _train(task: _Task, number: int, stop: Stop, report: Report) -> None:
    """Train one expert and store it. If it is stopped, nothing is stored."""
    with suppress(_Stopped):
        write_expert(task.folder, task.settings, number, _trajectory(task, number, stop, report))


class _Stopped(Exception):
    """Stopped in the middle of a trajectory."""


def _trajectory(task: _Task, number: int, stop: Stop, report: Report) -> Iterator[NDArray[np.float32]]:
    """The parameters of one expert before training and after each epoch."""
    keep_freed_memory()
    source, config = task.source, task.settings.config
    network = _network(source, config, number, task.factory, task.device)
    optimizer = torch.optim.SGD(network.parameters(), lr=config.lr, momentum=config.momentum)
    labels = torch.from_numpy(source.labels)
    names = operations(config.augmentation, len(source.spatial_shape))
    device, classes = torch.device(task.device), len(source.classes)
    room = room_for(config.network, task.factory, source.channels, source.spatial_shape, classes, device)
    read = reader(source, device)
    yield _row(network)
    for epoch in range(config.epochs):
        order = torch.randperm(len(source), generator=generator(config.seed, "expert order", number, epoch))
        losses = []
        for step, rows in enumerate(torch.split(order, config.batch)):
            if stop():
                raise _Stopped
            chance = generator(config.seed, "expert augmentation", number, epoch, step)
            augmentation = draw_augmentation(names, chance, images=len(rows))
            wanted = labels[rows].to(device, non_blocking=True)
            optimizer.zero_grad()
            drawing = seeded(chance, task.device) if task.factory is not None else nullcontext()
            with drawing:  # a custom network may draw random numbers in its forward pass, for example for dropout
                losses.append(add_gradients(network, read, rows, wanted, augmentation, room))
            optimizer.step()
        row, mean = _row(network), float(torch.stack(losses).mean())
        finite = np.isfinite(row).all()
        if not finite or mean > _LARGEST_LOSS:
            raise ExpertError(
                "the network does not learn" if finite else "the parameters are no longer finite",
                where=f"expert {number}, epoch {epoch + 1}",
                found=f"a loss of {mean:.3g}",
                hint=f"A learning rate of {config.lr:g} is likely too large",
            )
        yield row
        report(mean)


def _settings(source: Source, config: ExpertConfig, factory: NetworkFactory | None) -> ExpertSettings:
    named = _network(source, config, 0, factory).named_parameters()
    return ExpertSettings(
        config,
        source.provenance(),
        source.classes,
        source.channels,
        source.spatial_shape,
        source.normalization,
        tuple((name, tuple(parameter.shape)) for name, parameter in named),
    )


def _network(
    source: Source, config: ExpertConfig, number: int, factory: NetworkFactory | None, device: str = "cpu"
) -> Any:
    return make_network(
        config.network,
        channels=source.channels,
        spatial_shape=source.spatial_shape,
        classes=len(source.classes),
        generator=generator(config.seed, "expert network", number),
        device=device,
        factory=factory,
    )


def _row(network: nn.Module) -> NDArray[np.float32]:
    row: NDArray[np.float32] = nn.utils.parameters_to_vector(network.parameters()).detach().cpu().numpy()
    return row


def _train_in_processes(task: _Task, numbers: Sequence[int], workers: int, stop: Stop, report: Report) -> None:
    """Train experts in separate processes, which end when this process has ended."""
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    stopping = context.Event()
    workers = min(workers, len(numbers))
    threads = max(1, torch.get_num_threads() // workers)
    processes: list[BaseProcess] = [
        context.Process(target=_work, args=(task, numbers[worker::workers], threads, news, stopping), daemon=True)
        for worker in range(workers)
    ]
    try:
        for process in processes:
            process.start()
        ended = 0
        while ended < workers:
            if stop():
                stopping.set()
            try:
                what = news.get(timeout=_WAIT)
            except queue.Empty:
                if any(process.exitcode for process in processes):
                    raise ExpertError("a process died", hint="Was there enough memory? Use fewer workers") from None
                continue
            if isinstance(what, Exception):
                raise what
            if what is None:
                ended += 1
            else:
                report(what)
    finally:
        stopping.set()
        for process in processes:
            if process.pid is not None:
                process.join()


def _work(task: _Task, numbers: Sequence[int], threads: int, news: Any, stopping: Any) -> None:
    """The main function of a process: train, report the loss of each epoch, and at the end None or the error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()

    def stop() -> bool:
        return stopping.is_set() or (parent is not None and not parent.is_alive())

    try:
        for number in numbers:
            _train(task, number, stop, news.put)
        news.put(None)
    except Exception as error:
        news.put(error)
