"""Runs with several processes: each computes its share of the work, and results are summed over all.

torchrun starts the processes, which communicate by ``torch.distributed``. Every random draw depends only on the seed
and its purpose, so all ranks make the same draws, and only sums have to be communicated.
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
    """This process among ``count``; a single one needs no process group."""

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """The ranks of the default process group, or a single process if there is none."""
        grouped = dist.is_available() and dist.is_initialized()
        return cls(dist.get_rank(), dist.get_world_size()) if grouped else cls()

    @property
    def first(self) -> bool:
        """Whether this is the first process, which writes files and prints messages."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The part of ``items`` that belongs to this rank, every ``count``-th. Raises `ArgumentError` if a rank gets
        none."""
        if len(items) < self.count:
            raise ArgumentError(
                "more processes than work to share",
                expected=f"at most {len(items)} processes",
                found=self.count,
                hint="Start fewer (torchrun --nproc-per-node)",
            )
        return items[self.rank :: self.count]

    def combine(self, tensors: Sequence[Tensor], *, shared: bool) -> None:
        """Replace the tensors in place by the sum over ranks if the work was ``shared``, else by those of the first
        rank. All ranks get the same bits."""
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
        """Whether this is true on any rank. The CPUs communicate, so accelerators are not synchronised."""
        if self.count == 1:
            return wanted
        votes = torch.tensor(int(wanted), device=_CPU)
        dist.all_reduce(votes)
        return bool(votes)

    def from_first(self, make: Callable[[], T]) -> T:
        """The result of ``make`` on the first rank, returned on every rank; a `FredError` is also raised on every
        rank."""
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


def is_first() -> bool:
    """Whether this is the first of the processes that torchrun started, or the only one, also outside of a process
    group."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Inside the block, join the process group of torchrun, if it started this process.

    Yields the device of this rank: for ``cuda`` the GPU of this rank, any other name unchanged.
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
