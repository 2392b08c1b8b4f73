"""`fredfmt preview`: a picture of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fredfmt.cli import options
from fredfmt.cli.console import refuse_existing


def preview(
    file: options.File,
    out: Annotated[
        Path, typer.Argument(metavar="OUT.png", help="The picture to write: .png, .jpg, .webp, .tiff or .bmp.")
    ],
    kind: Annotated[
        Literal["images", "masks", "energy", "spectra", "k"],
        typer.Option(
            help="images: a contact sheet; masks: all masks; energy: the share of energy against the number of"
            " frequencies; spectra: strength against frequency; k: images from an increasing number of frequencies."
        ),
    ] = "images",
    instances: Annotated[int, typer.Option(min=1, help="Instances to show per class (images).")] = 12,
    size: Annotated[int, typer.Option(min=8, help="Height of an instance in pixels (images, k).")] = 56,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="Use only this many frequencies, the coarsest (images, k).")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="For whitened files: the real dataset from which the matrix is computed."),
    ] = None,
    data_root: options.DataRoot = None,
    force: options.Force = False,
) -> None:
    """Draw a picture: a contact sheet of all classes with their masks, or another view of the frequencies."""
    from fredfmt.data.sources import ZCA, open_source
    from fredfmt.storage.files import load
    from fredfmt.view.preview import preview as draw
    from fredfmt.view.saving import PICTURES, check_suffix, save_picture

    check_suffix(out, PICTURES)
    refuse_existing(out, force)
    data, whitening = load(file), None
    if on is not None and data.metadata.whitening is not None:
        shape = data.metadata.spatial_shape
        sides = (shape[0], shape[1]) if len(shape) == 2 else None
        train = open_source(on, data_root=data_root, size=sides, classes=data.metadata.classes)
        whitening = ZCA.of(data.metadata, train)
    save_picture(draw(data, kind=kind, instances=instances, size=size, k=k, whitening=whitening), out)
