"""Output of the commands: data on stdout, messages on stderr."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fredfmt.errors import ArgumentError, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from fredfmt.distill.runtime.progress import Progress

_STDOUT, _STDERR = 1, 2


def prepare_streams() -> None:
    """If stdout or stderr cannot encode a character, it writes an escape instead of failing. A closed stream is
    replaced, so that its file descriptor is not reused by a file that is opened later.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(number)
    if sys.stdout is None:
        sys.stdout = _Closed()  # Python sets a closed stream to None
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def close_quietly() -> None:
    """Discard output that stdout could not write, which Python would try to write again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


class _Closed(io.TextIOBase):
    """Replaces a closed stdout: writing to it is an error, as on a full disk."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "stdout")


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, with control characters as JSON escapes."""
    whole = sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not whole)
    sys.stdout.write(
        "".join(letter if letter.isprintable() or letter in "\n" else json.dumps(letter)[1:-1] for letter in text)
        + "\n"
    )


def plain(value: object) -> Text:
    """A value from a file for a table, as literal text without rich's markup."""
    from rich.text import Text

    return Text(printable(str(value)), overflow="fold")


def columns() -> int:
    """The width of stdout in characters."""
    from rich.console import Console

    return Console().width


def show(*parts: RenderableType) -> None:
    """Print text or tables on stdout, each on a line."""
    from rich.console import Console

    for part in parts:
        Console(highlight=False).print(part, soft_wrap=isinstance(part, str))


def show_in_colour(draw: Callable[[int], RenderableType | None]) -> None:
    """Show the result of ``draw`` for a width in characters, if stdout is a terminal with at least 256 colours."""
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal and not console.no_color and console.color_system in ("256", "truecolor"):
        drawn = draw(console.width)
        if drawn is not None:
            console.print(drawn, soft_wrap=True)


def say(text: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(text + "\n")


@contextmanager
def showing_progress(shown: bool = True) -> Iterator[Callable[[Progress], None]]:
    """A progress callback, shown as a bar on stderr with the rate and the time left if ``shown``."""
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task("starting", total=None, note="")

        def report(news: Progress) -> None:
            rate = bar.tasks[0].finished_speed or bar.tasks[0].speed
            notes = [f"{rate:.3g}/s" if rate else "", "" if news.loss is None else f"loss {news.loss:.4g}"]
            note = "  ".join(filter(None, notes))
            bar.update(task, description=news.task, completed=news.done, total=news.total, note=note)

        yield report


def to_all(callbacks: Sequence[Callable[[Progress], None]]) -> Callable[[Progress], None]:
    """One callback that calls several."""

    def report(news: Progress) -> None:
        for callback in callbacks:
            callback(news)

    return report


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """During the block, append the library's log records to a file, one per line."""
    if path is None:
        yield
        return
    logger, handler = logging.getLogger("fredfmt"), logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    if logging.lastResort is not None:  # it is used if there is no other handler, and shows warnings
        logger.addHandler(logging.lastResort)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        if logging.lastResort is not None:
            logger.removeHandler(logging.lastResort)
        handler.close()


def refuse_existing(path: Path, force: bool) -> None:
    """Raise `ArgumentError` if ``path`` exists and ``force`` is not set."""
    if path.exists() and not force:
        raise ArgumentError("exists already", where=str(path), hint="Use --force to replace it")


def check_output(path: Path, force: bool) -> None:
    """Raise the error that saving data to ``path`` would raise, before any work: suffix, folder, existing files."""
    from fredfmt.storage.files import container_of
    from fredfmt.storage.writing import check_target

    check_target(path, dataset=container_of(path) == ".fred.zarr")
    refuse_existing(path, force)


def kilobytes(size: int) -> str:
    """A size in bytes, in kB from 10,000 bytes on, or in MB from 10 MB on."""
    if size < 10_000:
        return f"{size:,} B"
    return f"{size / 1000:,.1f} kB" if size < 10_000_000 else f"{size / 1e6:,.1f} MB"
