"""How long work tells how far it is: a `Progress` goes to a callback, now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of ``task`` are behind us."""

    task: str
    done: int
    total: int
    loss: float | None = None
    """Mean over the steps since the last report."""


Callback: TypeAlias = Callable[[Progress], None]
