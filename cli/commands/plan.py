"""`fredfmt plan`: what a budget buys, before anything is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import columns, kilobytes, print_json, show, showing_progress

if TYPE_CHECKING:
    from fredfmt.distill.planning import Choice

_WIDE = 70
"""Characters of a line from which all columns are shown; budgets in other units are left out below."""


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
    how: dict[str, Any] = {
        "max_bytes": max_bytes,
        "ipc": ipc,
        "transform": transform,
        "mask": mask,
        "ks": k,
        "steps": steps,
    }
    with showing_progress() as report:
        choices = choices_of(real, **how, seed=seed, progress=report)
    if json:
        print_json([choice.to_json() for choice in choices])
        return
    told: dict[str, Callable[[Choice], str]] = {
        "k": lambda choice: str(choice.k),
        "step": lambda choice: "float32" if choice.step is None else str(choice.step),
        "instances per class": lambda choice: str(choice.instances_per_class),
        "ipc": lambda choice: f"{choice.ipc:.4g}",
        "file": lambda choice: kilobytes(choice.bytes),
        "bits per class": lambda choice: f"{8 * choice.bytes / len(real.classes):,.0f}",
        "error (rms)": lambda choice: f"{choice.rmse:.3f}",
    }
    narrow = columns() < _WIDE
    if narrow:
        told = {heading: cell for heading, cell in told.items() if heading not in ("ipc", "bits per class")}
    table = Table(box=None, pad_edge=False)
    for heading in told:
        table.add_column(heading.replace(" ", "\n") if narrow else heading, justify="right", no_wrap=narrow)
    for choice in choices:
        table.add_row(*(cell(choice) for cell in told.values()))
    show(table)
