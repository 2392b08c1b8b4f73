"""Progress of long work: a callback receives a `Progress` from time to time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fredfmt.model.data import FreDData


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of ``task`` are finished.

    >>> Progress("distilling", done=10, total=600, loss=0.5).done
    10
    """

    task: str
    done: int
    total: int
    loss: float | None = None
    """Mean over the steps since the last report."""
    data: Callable[[], FreDData] | None = field(default=None, repr=False, compare=False)
    """A function that gives the current set in float32; usable only while the callback runs."""


Callback: TypeAlias = Callable[[Progress], None]
