"""`fredfmt pull`: downloads a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options


def pull(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="hf://datasets/OWNER/NAME[@REVISION]/FILE, https://, s3:// ...")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, or a folder.")] = Path("."),
    expected_digest: options.ExpectedDigest = None,
    force: options.Force = False,
) -> None:
    """Copy a file from an address, byte for byte, and verify it first. Prints its content digest."""
    from fredfmt.exchange.hub import pull as get

    typer.echo(get(address, out, expected_digest=expected_digest, replace=force))
