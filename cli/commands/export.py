"""`fredfmt export`: decoded images for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import say
from fredfmt.exchange.exporters import EXPORTERS
from fredfmt.exchange.exporters import export as write
from fredfmt.storage.files import load


def export(
    file: options.File,
    out: Annotated[
        Path, typer.Argument(metavar="DST", help="NAME.npz, .safetensors, .parquet, .tar, .pt, or a folder.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(EXPORTERS)}; by default by the suffix of DST.",
            autocompletion=options.starting_with(EXPORTERS),
        ),
    ] = None,
    force: options.Force = False,
    expected_digest: options.ExpectedDigest = None,
) -> None:
    """Write a file in the form of another program or project.

    npz, safetensors, png, parquet (Hugging Face) and webdataset contain images in 0..1, clipped; dc, mtt and ddranking
    are the .pt files of these projects, in the space of training. A folder contains PNG images unless --to is given.
    """
    data = load(file, expected_digest=expected_digest)
    space = write(data, out, to=to, force=force)
    say(f"{out}: {len(data):,} images, {space}")
