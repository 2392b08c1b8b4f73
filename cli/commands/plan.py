"""`fredfmt plan`: what a budget buys, before anything is run."""

from __future__ import annotations

from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, print_json, show


def plan(
    source: options.Source,
    max_bytes: Annotated[int | None, typer.Option("--bytes", min=1, help="Budget: bytes of the file.")] = None,
    bits_per_class: Annotated[
        float | None, typer.Option(min=1, help="Budget: bits of the file over the classes.")
    ] = None,
    ipc: Annotated[
        float | None, typer.Option(help="Budget: coefficients stored per class and channel, in units of whole images.")
    ] = None,
    transform: options.Transform = "dct",
    mask: options.Mask = "evr",
    k: Annotated[list[int] | None, typer.Option("--k", min=1, help="Numbers of frequencies to try.")] = None,
    step: Annotated[list[str] | None, typer.Option(help="Steps to try, or float16, float32.")] = None,
    seed: options.Seed = 0,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    json: options.Json = False,
) -> None:
    """Show the choices of k, step and number of instances that a budget leaves, with real bytes and errors.

    Bytes are those of random real images in the same layout, with which a distillation starts.
    """
    from rich.table import Table

    from fredfmt.codec.masks import check_choice
    from fredfmt.data.sources import open_source
    from fredfmt.distill.planning import STEPS
    from fredfmt.distill.planning import plan as choices_of

    def check(spatial_shape: tuple[int, ...]) -> None:
        for one in k or (1,):
            check_choice(mask, one, spatial_shape, transform)

    wanted = options.parse_classes(classes)
    real = open_source(source, split="train", size=size, data_root=data_root, classes=wanted, check=check)
    if bits_per_class is not None:
        max_bytes = options.bytes_of(bits_per_class, len(real.classes))
    steps = tuple(map(options.parse_step, step)) if step else STEPS
    choices = choices_of(
        real, max_bytes=max_bytes, ipc=ipc, transform=transform, mask=mask, ks=k, steps=steps, seed=seed
    )
    if json:
        print_json([choice.to_json() for choice in choices])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("k", "step", "instances per class", "ipc", "file", "bits per class", "error (rms)"):
        table.add_column(heading, justify="right")
    for choice in choices:
        table.add_row(
            str(choice.k),
            "float32" if choice.step is None else str(choice.step),
            str(choice.instances_per_class),
            f"{choice.ipc:g}",
            kilobytes(choice.bytes),
            f"{8 * choice.bytes / len(real.classes):,.0f}",
            f"{choice.rmse:.3f}",
        )
    show(table)
