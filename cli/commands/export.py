"""`fredfmt export`: decoded images for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options


def export(
    file: options.File,
    out: Annotated[Path, typer.Argument(metavar="DST", help="NAME.npz, or a folder to fill with PNG images.")],
    to: Annotated[str | None, typer.Option(help="npz or png; told by the name of DST if left out.")] = None,
) -> None:
    """Decode a file to images in 0..1: one .npz, or a folder of PNG images with a folder a class."""
    from fredfmt.exporters import export as write
    from fredfmt.storage import load

    write(load(file), out, to=to)
