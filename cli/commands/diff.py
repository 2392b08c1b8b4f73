"""`fredfmt diff`: the differences between two files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, plain, print_json, say, show
from fredfmt.cli.tables import Column, table, written
from fredfmt.errors import printable

if TYPE_CHECKING:
    from rich.table import Table

    from fredfmt.view.difference import Difference

_SHOWN = 40


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A file or URL.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another file or URL.")],
    json: options.Json = False,
) -> None:
    """Show the differences between two files: settings, masks, labels, coefficients, images and size.

    Exit status 0: the same content digest (metadata and results may still differ); 1: different data; 3: a file is
    unreadable.
    """
    from fredfmt.errors import FredError
    from fredfmt.storage.files import load
    from fredfmt.view.difference import difference

    try:
        first, second = load(a), load(b)
    except FredError as error:
        say(printable(f"fredfmt: {type(error).__name__}: {error}"))
        raise typer.Exit(3) from None
    found = difference(first, second)
    if json:
        print_json(found.to_json())
    else:
        show("[green]the same data[/green]" if found.same else "[yellow]different data[/yellow]")
        show(_parts(found))
        if found.settings:
            show(_settings(found, a, b))
    if not found.same:
        raise typer.Exit(1)


def _parts(found: Difference) -> Table:
    sizes = " and ".join(map(kilobytes, found.bytes))
    size = sizes if len(set(found.bytes)) > 1 else f"{kilobytes(found.bytes[0])} both"
    results = {name: f"not compared: {reason}" for name, reason in found.reasons.items()}
    if masks := found.masks:
        results["masks"] = f"{masks.equal} of {masks.count} equal, overlap {masks.overlap:.1%}, least {masks.least:.1%}"
    if labels := found.labels:
        apart = f"{labels.changed} with another class, mean distance {labels.distance:.3g}"
        results["labels"] = apart if labels.distance else "equal"
    for name in ("coefficients", "images"):
        if values := getattr(found, name):
            quality = f", PSNR {values.psnr:.1f} dB" if values.psnr is not None else ""
            rest = f"rmse {values.rmse:.4g}{quality}, largest {values.largest:.4g} in {values.instances} instances"
            results[name] = rest if values.instances else "equal"
    names = ("masks", "labels", "coefficients", "images")
    return table([Column(), Column()], [("size", size), *((name, plain(results[name])) for name in names)])


def _settings(found: Difference, a: str, b: str) -> Table:
    rows = [
        (plain(name), *(plain(_short(written(value))) for value in values))
        for name, values in list(found.settings.items())[:_SHOWN]
    ]
    if len(found.settings) > _SHOWN:
        rows.append((plain(f"and {len(found.settings) - _SHOWN} more: see --json"),))
    return table([Column(plain(name)) for name in ("", a, b)], rows)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
