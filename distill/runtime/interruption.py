"""Ctrl-C without harm: the first one is noted, to be acted on between two steps of long work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the work has been asked to stop."""

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def noting_interrupts() -> Iterator[Interruption]:
    """Inside the block the first SIGINT sets ``wanted``; a second one interrupts at once, as usual.

    Only the main thread of a program can do this; in another the block changes nothing.
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
