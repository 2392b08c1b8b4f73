"""Several processes at one run: each takes its share of the work, and sums over all of them come back.

torchrun starts the processes, ``torch.distributed`` sends the numbers. Every random draw is a function of the seed
and what it is for, so that all ranks make the same ones and nothing but sums has to travel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from fredfmt.errors import ArgumentError, FredError

T = TypeVar("T")
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """This process among ``count``; one by itself needs no process group and does not wait."""

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """Those of the default process group, if there is one."""
        grouped = dist.is_available() and dist.is_initialized()
        return cls(dist.get_rank(), dist.get_world_size()) if grouped else cls()

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and prints messages."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The part of ``items`` that is this rank's: every ``count``-th. Raises `ArgumentError` if a rank gets none."""
        if len(items) < self.count:
            raise ArgumentError(
                "more processes than work to share",
                expected=f"at most {len(items)} processes",
                found=self.count,
                hint="Start fewer (torchrun --nproc-per-node)",
            )
        return items[self.rank :: self.count]

    def combine(self, tensors: Sequence[Tensor], *, shared: bool) -> None:
        """In place, on every rank the same bits: the sum over ranks of what was ``shared``, else the first rank's."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        if shared:
            dist.all_reduce(flat)
        else:
            dist.broadcast(flat, src=0)
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, wanted: bool) -> bool:
        """Whether this is true on any rank. CPUs exchange the answers, so that no accelerator has to finish first."""
        if self.count == 1:
            return wanted
        votes = torch.tensor(int(wanted), device=_CPU)
        dist.all_reduce(votes)
        return bool(votes)

    def from_first(self, make: Callable[[], T]) -> T:
        """What ``make`` gives on the first rank, given on every rank; so is a `FredError` that it raises."""
        if self.count == 1:
            return make()
        made: list[Any] = [None, None]
        if self.first:
            try:
                made = [make(), None]
            except FredError as error:
                made = [None, error]
        dist.broadcast_object_list(made, src=0, device=_CPU)
        value, failure = made
        if failure is not None:
            raise failure
        return value  # type: ignore[no-any-return]


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did, for as long as the block runs.

    Gives the device of this rank: ``cuda`` becomes the GPU of its own, any other name stays.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ or dist.is_initialized():
        yield device
        return
    cuda = device.partition(":")[0] == "cuda"
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()
