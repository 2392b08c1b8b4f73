"""`fredfmt export`: decoded images for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import say


def export(
    file: options.File,
    out: Annotated[
        Path, typer.Argument(metavar="DST", help="NAME.npz, .safetensors, .parquet, .tar, .pt, or a folder.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            help="npz, png, safetensors, parquet, webdataset, dc, mtt or ddranking; by the name of DST if left out.",
            autocompletion=options.completing("fredfmt.exchange.exporters", "EXPORTERS"),
        ),
    ] = None,
    force: options.Force = False,
    expected_digest: options.ExpectedDigest = None,
) -> None:
    """Write a file in the form of another program or project.

    npz, safetensors, png, parquet (Hugging Face) and webdataset hold images in 0..1, clipped; dc, mtt and ddranking are
    the .pt files of these projects, in the space that the file is trained in. A folder is filled with PNG images unless
    --to says otherwise.
    """
    from fredfmt.exchange.exporters import export as write
    from fredfmt.storage.files import load

    data = load(file, expected_digest=expected_digest)
    space = write(data, out, to=to, force=force)
    say(f"{out}: {len(data):,} images, {space}")
