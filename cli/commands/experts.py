"""`fredfmt experts`: trains networks on real images and stores their parameters for trajectory matching."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, say, showing_progress
from fredfmt.cli.settings import asking, given_settings, panels_of
from fredfmt.data.sources import open_source
from fredfmt.distill.experts.settings import ExpertConfig
from fredfmt.distill.experts.training import train_experts

_PANELS = panels_of(Training=ExpertConfig)


@asking(_PANELS)
def experts(
    context: typer.Context,
    source: options.Source,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the experts.")],
    count: Annotated[int, typer.Option(min=1, help="Number of experts.")] = 10,
    first: Annotated[
        int, typer.Option(min=0, help="Number of the first expert, to divide the work between machines.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes, which share the threads.")] = 1,
    device: options.Device = "cpu",
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    **_: Any,
) -> None:
    """Train experts for trajectory matching. Ctrl-C stops cleanly; the same command trains the missing ones."""
    changes = given_settings(context, _PANELS)
    own = options.parse_network(changes.get("network", ""))
    config = ExpertConfig().replace(**changes)
    real = open_source(source, split="train", size=size, data_root=data_root, classes=options.parse_classes(classes))
    if "depth" not in changes:
        config = config.replace(network=config.network.fitting(real.spatial_shape))
    with showing_progress() as report:
        made = train_experts(
            real,
            out,
            config,
            count=count,
            first=first,
            workers=workers,
            network=own,
            device=device,
            progress=report,
        )
    taken = sum(path.stat().st_size for path in out.iterdir())
    say(f"{out}: {len(made.numbers)} experts of {config.epochs} epochs, {kilobytes(taken)}, {made.digest}")
