"""`fredfmt preview`: a picture of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import refuse_existing


def preview(
    file: options.File,
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture to write.")],
    instances: Annotated[int, typer.Option(min=1, help="Instances shown of each class.")] = 12,
    size: Annotated[int, typer.Option(min=8, help="Height of an instance in pixels.")] = 56,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="Decode this many frequencies only, coarse first.")
    ] = None,
    force: options.Force = False,
) -> None:
    """Draw a contact sheet: instances of every class, and the masks as heat maps."""
    from fredfmt.preview import preview as draw
    from fredfmt.storage import load, replacing

    refuse_existing(out, force)
    sheet = draw(load(file), instances=instances, size=size, k=k)
    with replacing(out) as target:
        sheet.save(target, format="PNG")
