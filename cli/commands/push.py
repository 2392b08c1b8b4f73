"""`fredfmt push`: uploads a file to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .fred or .fred.h5 file.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="hf://datasets/OWNER/NAME[@BRANCH]/[FILE]")],
    card: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder that fredfmt card wrote.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Commit message.")] = None,
    create: Annotated[bool, typer.Option("--create", help="Create the repository if it does not exist.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Create it as a private repository.")] = False,
    pull_request: Annotated[bool, typer.Option("--pull-request", help="Open a pull request.")] = False,
) -> None:
    """Upload a valid file to a dataset repository of the Hugging Face Hub, with its card, in one commit."""
    from fredfmt.exchange.hub import push as send

    page = send(file, address, card=card, message=message, create=create, private=private, pull_request=pull_request)
    typer.echo(page)
