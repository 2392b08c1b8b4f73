"""`fredfmt evaluate`: what is a file good for?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.commands.evaluate_scores import show_scores
from fredfmt.cli.console import kilobytes, print_json, show, showing_progress
from fredfmt.distill.config import EvaluationConfig, Protocol
from fredfmt.errors import ArgumentError

if TYPE_CHECKING:
    from rich.table import Table

    from fredfmt.distill.comparison import Row

_DEFAULT = EvaluationConfig()


def evaluate(
    context: typer.Context,
    file: options.File,
    on: Annotated[
        str, typer.Option(metavar="SOURCE", help="The real data set to test on, and to draw baselines from.")
    ],
    protocol: Annotated[
        Protocol, typer.Option(help="steps: a fixed number of updates; paper: the published 1000 epochs of SGD.")
    ] = _DEFAULT.protocol,
    steps: Annotated[int, typer.Option(min=1, help="steps: updates of each network.")] = _DEFAULT.steps,
    epochs: Annotated[int, typer.Option(min=1, help="paper: epochs of each network.")] = _DEFAULT.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Images a step.")] = _DEFAULT.batch,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = _DEFAULT.lr,
    network: Annotated[
        list[str] | None,
        typer.Option(help="convnet, resnet18, vgg11, alexnet or vit; several for a table across architectures."),
    ] = None,
    width: options.Width = _DEFAULT.network.width,
    depth: options.Depth = _DEFAULT.network.depth,
    norm: options.Norm = _DEFAULT.network.norm,
    pooling: options.Pooling = _DEFAULT.network.pooling,
    augmentation: Annotated[
        str | None, typer.Option(help="Operations joined by _, one drawn a batch; the file's own if left out.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks trained on each set.")] = _DEFAULT.seeds,
    metric: Annotated[
        str | None,
        typer.Option(metavar="lrs,ars", help="DD-Ranking's scores in place of the table."),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the file's results into its metadata; its digest stays.")
    ] = False,
    device: options.Device = "cpu",
    size: options.Size = None,
    data_root: options.DataRoot = None,
    json: options.Json = False,
) -> None:
    """Train fresh networks on a file and test them on real images, beside random real images in the same bytes."""
    from fredfmt.containers.package import with_metadata
    from fredfmt.distill.comparison import compare
    from fredfmt.sources import open_source
    from fredfmt.storage import load, save

    data = load(file)
    base = EvaluationConfig.paper() if protocol == "paper" else _DEFAULT
    said = options.said(context)
    shared: dict[str, Any] = {name: said[name] for name in ("steps", "epochs", "batch", "lr", "seeds") if name in said}
    layers = {name: said[name] for name in ("width", "depth", "norm", "pooling") if name in said}
    shared["augmentation"] = augmentation or data.metadata.distillation.get("augmentation", _DEFAULT.augmentation)
    configs = [
        replace(base, network=replace(base.network, name=name, **layers), **shared)
        for name in network or [base.network.name]
    ]
    train, test = (
        open_source(on, split=split, size=size, data_root=data_root).of_classes(data.metadata.classes)
        for split in ("train", "test")
    )
    if metric is not None:
        if record:
            raise ArgumentError("--record keeps accuracies, not scores", hint="Leave out --metric or --record")
        show_scores(data, train, test, configs, metric, device=device, json=json)
        return
    with showing_progress() as report:
        compared = [compare(data, train, test, config, device=device, progress=report) for config in configs]
    if record:
        results = (*data.metadata.results, *(rows[0].evaluation.to_json() for rows in compared))
        save(with_metadata(data, results=results), file)
    if json:
        print_json([row.to_json() for rows in compared for row in rows])
        return
    for config, rows in zip(configs, compared, strict=True):
        if len(configs) > 1:
            show(f"[bold]{config.network.name}[/bold]")
        show(_table(rows))
        show(f"Protocol {config.protocol}: {config.to_json()}", f"{len(test):,} test images of {test.name}.")
        file_row, start = rows[0].evaluation, rows[1].evaluation
        if config.seeds > 1:
            gain = 100 * (file_row.mean - start.mean)
            error = 100 * (file_row.standard_error**2 + start.standard_error**2) ** 0.5
            show(f"The file against its own start: {gain:+.2f} points, standard error {error:.2f}.")


def _table(rows: tuple[Row, ...]) -> Table:
    from rich.table import Table

    table = Table("trained on", "bytes", "images a class", "accuracy %", "std", "each network", box=None)
    for row in rows:
        result = row.evaluation
        table.add_row(
            f"{row.name}\n[dim]{row.description}[/dim]",
            kilobytes(row.bytes),
            f"{row.instances_per_class:g}",
            f"{100 * result.mean:.2f}",
            f"{100 * result.std:.2f}",
            " ".join(f"{100 * accuracy:.1f}" for accuracy in result.accuracies),
        )
    return table
