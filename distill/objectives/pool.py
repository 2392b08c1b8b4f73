"""The networks of an objective that are trained at the same time, of which each iteration draws one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from fredfmt.distill.objectives.iteration import Iteration
from fredfmt.distill.runtime.randomness import generator


class Member(Protocol):
    """A network in training, with a state for checkpoints."""

    def state(self) -> dict[str, Tensor]: ...
    def restore(self, state: Mapping[str, Tensor], /) -> None: ...


M = TypeVar("M", bound=Member)


class Pool(Generic[M]):
    """``size`` members, which are created in the first iteration, when a device and the shape of images are known."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._members: list[M] = []
        self._kept: Mapping[str, Tensor] = {}

    def draw(
        self, iteration: Iteration, new: Callable[[int], M], begin: Callable[[M, int], None] | None = None
    ) -> tuple[int, M]:
        """A random member and its place. ``new`` makes the first member of a place; ``begin`` is called with each of
        these and its place, unless it is restored from a checkpoint."""
        if not self._members:
            self._members = [self._first(place, new, begin) for place in range(self._size)]
        chance = generator(iteration.seed, "member", iteration.number)
        place = int(torch.randint(self._size, (), generator=chance, device="cpu"))
        return place, self._members[place]

    def replace(self, place: int, member: M) -> None:
        """Put another member at a place."""
        self._members[place] = member

    def _first(self, place: int, new: Callable[[int], M], begin: Callable[[M, int], None] | None) -> M:
        """The first member of a place: new, or restored from a checkpoint."""
        member = new(place)
        kept = {
            name.removeprefix(f"{place}."): value for name, value in self._kept.items() if name.startswith(f"{place}.")
        }
        if kept:
            member.restore(kept)
        elif begin is not None:
            begin(member, place)
        return member

    def state(self) -> dict[str, Tensor]:
        """The state of every member, by place and name."""
        return {
            f"{place}.{name}": value
            for place, member in enumerate(self._members)
            for name, value in member.state().items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Keep the state for the first iteration, in which the members are created."""
        self._kept = state
