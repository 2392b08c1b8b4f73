"""`fredfmt experts`: networks trained on real images, their parameters kept epoch by epoch for trajectory matching."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, say, showing_progress
from fredfmt.distill.config import ExpertConfig

_DEFAULT = ExpertConfig()


def experts(
    context: typer.Context,
    source: options.Source,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to keep the experts in.")],
    count: Annotated[int, typer.Option(min=1, help="Number of experts.")] = 10,
    first: Annotated[int, typer.Option(min=0, help="Number of the first, to share the work over machines.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each.")] = _DEFAULT.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Real images a step.")] = _DEFAULT.batch,
    lr: Annotated[float, typer.Option(help="Learning rate of SGD.")] = _DEFAULT.lr,
    momentum: Annotated[float, typer.Option(help="Its momentum.")] = _DEFAULT.momentum,
    network: Annotated[
        str, typer.Option(help="convnet, resnet18, vgg11, alexnet, vit or package.module:factory of your own.")
    ] = _DEFAULT.network.name,
    width: options.Width = _DEFAULT.network.width,
    depth: options.Depth = _DEFAULT.network.depth,
    norm: options.Norm = _DEFAULT.network.norm,
    pooling: options.Pooling = _DEFAULT.network.pooling,
    augmentation: Annotated[
        str, typer.Option(help="Operations joined by _, one drawn a batch; none for none.")
    ] = _DEFAULT.augmentation,
    zca: options.Zca = False,
    zca_epsilon: options.ZcaEpsilon = _DEFAULT.zca_epsilon,
    seed: options.Seed = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes to train in; they share the threads.")] = 1,
    device: options.Device = "cpu",
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
) -> None:
    """Train experts for trajectory matching. Ctrl-C stops cleanly; the same command trains those that are missing."""
    from fredfmt.data.sources import open_source
    from fredfmt.distill.experts.training import train_experts

    own = options.parse_network(network)
    real = open_source(source, split="train", size=size, data_root=data_root, classes=options.parse_classes(classes))
    said = options.said(context)
    layers = {name: said[name] for name in ("width", "depth", "norm", "pooling") if name in said}
    known = {entry.name for entry in fields(ExpertConfig)} - {"network"}
    changes = {name: value for name, value in said.items() if name in known}
    config = replace(_DEFAULT, network=replace(_DEFAULT.network, name=network, **layers), **changes)
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
