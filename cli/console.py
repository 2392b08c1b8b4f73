"""What the commands say: data on stdout, talk on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fredfmt.errors import ArgumentError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show(*parts: RenderableType) -> None:
    """Text or tables on stdout."""
    from rich.console import Console

    Console(highlight=False).print(*parts)


def say(text: str) -> None:
    """A line on stderr."""
    sys.stderr.write(text + "\n")


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on stderr with the rate and the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        yield bar


def refuse_existing(path: Path, force: bool) -> None:
    """Raise `ArgumentError` if ``path`` exists and ``force`` is not set."""
    if path.exists() and not force:
        raise ArgumentError("exists already", where=str(path), hint="Use --force to replace it")


def kilobytes(size: int) -> str:
    """A size for people: bytes below 10 kB, else kB or MB."""
    if size < 10_000:
        return f"{size:,} B"
    return f"{size / 1000:,.1f} kB" if size < 10_000_000 else f"{size / 1e6:,.1f} MB"
