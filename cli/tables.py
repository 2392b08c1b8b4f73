"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


class Column(NamedTuple):
    """A column of a table."""

    heading: str | Text = ""
    right: bool = False
    """Whether it is aligned to the right, as numbers are."""
    whole: bool = False
    """Whether its lines are not wrapped."""
    style: str = ""
    width: int | None = None
    """The smallest width in characters."""


def table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], *, title: str | None = None) -> Table:
    """A table without lines; the header is shown if a column has one."""
    from rich.table import Table

    drawn = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=any(column.heading for column in columns),
        box=None,
        pad_edge=False,
    )
    for column in columns:
        drawn.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=column.whole,
            style=column.style,
            min_width=column.width,
        )
    for row in rows:
        drawn.add_row(*row)
    return drawn


def written(value: Any) -> str:
    """A value of a file as text: floats to six digits, lists with commas, objects with a line per entry."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {written(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(written, value))
    return f"{value:,.6g}" if isinstance(value, float) else "none" if value is None else str(value)


def percent(value: float | None, digits: int = 2) -> str:
    """A share in per cent; empty if unknown.

    >>> percent(0.12345), percent(None)
    ('12.35', '')
    """
    return "" if value is None or value != value else f"{100 * value:.{digits}f}"
