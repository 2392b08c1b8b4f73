"""Handles Ctrl-C: the first one is recorded, so that a long computation can stop between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the computation should stop."""

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def noting_interrupts() -> Iterator[Interruption]:
    """Inside the block the first SIGINT sets ``wanted``; a second one interrupts immediately, as usual.

    This only works in the main thread of a program; in others the block has no effect.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        interruption.wanted = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, previous)
