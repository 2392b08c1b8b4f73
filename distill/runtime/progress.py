"""Progress of long computations, which callbacks receive."""

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
    """The mean loss of the steps since the last report."""
    data: Callable[[], FreDData] | None = field(default=None, repr=False, compare=False)
    """A function that returns the current data in float32; only valid during the callback."""


Callback: TypeAlias = Callable[[Progress], None]
