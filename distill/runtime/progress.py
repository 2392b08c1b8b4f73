"""How long work tells how far it is: a `Progress` goes to a callback, now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fredfmt.model.data import FreDData


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of ``task`` are behind us."""

    task: str
    done: int
    total: int
    loss: float | None = None
    """Mean over the steps since the last report."""
    data: Callable[[], FreDData] | None = field(default=None, repr=False, compare=False)
    """Makes the set as it is now, in float32, for whoever wants to look at it; only while the callback runs."""


Callback: TypeAlias = Callable[[Progress], None]
