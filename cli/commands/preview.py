"""`fredfmt preview`: a picture of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fredfmt.cli import options
from fredfmt.cli.console import refuse_existing


def preview(
    file: options.File,
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture to write.")],
    kind: Annotated[
        Literal["images", "masks", "energy", "spectra", "k"],
        typer.Option(
            help="images: a contact sheet; masks; energy: how few frequencies hold how much; spectra: strength against"
            " frequency; k: images from more and more frequencies."
        ),
    ] = "images",
    instances: Annotated[int, typer.Option(min=1, help="Instances shown of each class.")] = 12,
    size: Annotated[int, typer.Option(min=8, help="Height of an instance in pixels.")] = 56,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="Decode this many frequencies only, coarse first.")
    ] = None,
    force: options.Force = False,
) -> None:
    """Draw a picture: a contact sheet of every class and its mask, or another view of the frequencies."""
    from fredfmt.preview import preview as draw
    from fredfmt.storage import load, replacing

    refuse_existing(out, force)
    sheet = draw(load(file), kind=kind, instances=instances, size=size, k=k)
    with replacing(out) as target:
        sheet.save(target, format="PNG")
