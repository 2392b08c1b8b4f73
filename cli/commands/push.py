"""`fredfmt push`: a file to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .fred or .fred.h5 file.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="hf://datasets/OWNER/NAME[@BRANCH]/[FILE]")],
    card: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder that fredfmt card filled.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Of the commit.")] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the repository if it is not there.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make it for its owner alone.")] = False,
    pull_request: Annotated[bool, typer.Option("--pull-request", help="Let the owner decide.")] = False,
) -> None:
    """Put a sound file into a data set repository of the Hugging Face Hub, with its card, as one commit."""
    from fredfmt.exchange.hub import push as send

    page = send(file, address, card=card, message=message, create=create, private=private, pull_request=pull_request)
    typer.echo(page)
