"""`fredfmt card`: the files that accompany a published file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import say


def card(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .fred or .fred.h5 file.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; the file is copied into it.")],
    title: Annotated[str | None, typer.Option(help="Title of the dataset.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Where the file will be published: hf://datasets/OWNER/NAME/FILE or https://...")
    ] = None,
    creator: Annotated[
        list[str] | None, typer.Option(metavar="'FAMILY, GIVEN'", help="Author; repeat it for each person or group.")
    ] = None,
    license: Annotated[str | None, typer.Option(metavar="SPDX", help="License, if the file records none.")] = None,
    version: Annotated[str | None, typer.Option(help="Version of the publication, such as 1.0.0.")] = None,
    date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Date of the publication.")] = None,
    force: options.Force = False,
) -> None:
    """Write README.md (Hugging Face), croissant.json, CITATION.cff and preview.png from the metadata of a file."""
    from fredfmt.exchange.card import card as make

    made = make(
        file,
        folder,
        title=title,
        address=address,
        creators=creator or (),
        license=license,
        version=version,
        date=date,
        replace=force,
    )
    say(f"{folder}: {', '.join(path.name for path in made.files)}")
    for text in made.left_out:
        say(f"missing: {text}")
