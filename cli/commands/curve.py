"""`fredfmt curve`: draws accuracy against size from the recorded results of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import plain, print_json, refuse_existing, say, show
from fredfmt.cli.tables import Column, percent, table

if TYPE_CHECKING:
    from rich.table import Table

    from fredfmt.view.curve import Point


def curve(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE... OUT.png",
            help="Files or URLs, and the picture to write: .png, .jpg, .webp, .tiff or .bmp.",
        ),
    ],
    anchors: Annotated[
        bool, typer.Option("--anchors", help="Add published figures for the same real data, with their own marker.")
    ] = False,
    json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Draw accuracy against bits per class as OUT.png, and write the same numbers as OUT.csv.

    The results are those that `evaluate --record` wrote; the bits are those of the file without recorded results.
    """
    from dataclasses import asdict

    from fredfmt.errors import ArgumentError
    from fredfmt.storage.addresses import shown
    from fredfmt.storage.files import load
    from fredfmt.storage.reading import SUFFIXES
    from fredfmt.storage.writing import replacing
    from fredfmt.view.anchors import anchors_of
    from fredfmt.view.curve import draw, points_of, sources_of, to_csv
    from fredfmt.view.saving import PICTURES, check_suffix, save_picture

    *sources, last = files
    out = Path(last)
    if not sources or last.endswith(SUFFIXES):
        raise ArgumentError("the last argument must be the picture to write", expected="FILE... OUT.png", found=last)
    check_suffix(out, PICTURES)
    numbers = out.with_suffix(".csv")
    refuse_existing(out, force)
    refuse_existing(numbers, force)
    points = []
    for file in sources:
        name = shown(file)
        found = points_of(load(file), Path(name).name)
        points += found
        if not found:
            say(f"{name}: omitted, because it has no recorded result")
    if not points:
        raise ArgumentError("no file has a recorded result", hint="Use fredfmt evaluate FILE --on SOURCE --record")
    published = anchors_of(sources_of(points)) if anchors else []
    if anchors and not published:
        say(f"fredfmt has no published figures for {', '.join(sources_of(points))}")
    save_picture(draw(points, published), out)
    with replacing(numbers) as target:
        target.write(to_csv(points, published).encode())
    if json:
        print_json({"points": [asdict(point) for point in points], "published": [asdict(part) for part in published]})
    else:
        show(_table(points))


def _table(points: list[Point]) -> Table:
    numbers = (Column(name, right=True, whole=True) for name in ("bits per class", "%", "std"))
    return table(
        [Column("file"), *numbers, Column("trained and tested")],
        (
            (
                plain(point.file),
                f"{point.bits_per_class:,.0f}",
                percent(point.accuracy),
                percent(point.std),
                plain(", ".join(filter(None, (point.made_by, point.network, point.protocol, point.test)))),
            )
            for point in points
        ),
    )
