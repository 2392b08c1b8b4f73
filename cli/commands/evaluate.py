"""`fredfmt evaluate`: what is a file good for?"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.commands.evaluate_scores import show_scores
from fredfmt.cli.console import kilobytes, print_json, refuse_existing, show, showing_progress
from fredfmt.distill.config import CorruptionConfig, EvaluationConfig, Protocol
from fredfmt.errors import ArgumentError

if TYPE_CHECKING:
    from rich.table import Table
    from torch.nn import Module

    from fredfmt.distill.evaluation.comparison import Row

_DEFAULT = EvaluationConfig()


def evaluate(
    context: typer.Context,
    file: options.File,
    on: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="The real data set to test on, and to draw baselines from.",
            autocompletion=options.complete_source,
        ),
    ],
    protocol: Annotated[
        Protocol, typer.Option(help="steps: a fixed number of updates; paper: the published 1000 epochs of SGD.")
    ] = _DEFAULT.protocol,
    steps: Annotated[int, typer.Option(min=1, help="steps: updates of each network.")] = _DEFAULT.steps,
    epochs: Annotated[int, typer.Option(min=1, help="paper: epochs of each network.")] = _DEFAULT.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Images a step.")] = _DEFAULT.batch,
    lr: Annotated[
        str, typer.Option(metavar="NUMBER|recipe", help="Peak learning rate; recipe: that of the file.")
    ] = str(_DEFAULT.lr),
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="convnet, resnet18, vgg11, alexnet, vit or package.module:factory of your own;"
            " several for a table across architectures.",
            autocompletion=options.complete_network,
        ),
    ] = None,
    width: options.Width = _DEFAULT.network.width,
    depth: options.Depth = _DEFAULT.network.depth,
    norm: options.Norm = _DEFAULT.network.norm,
    pooling: options.Pooling = _DEFAULT.network.pooling,
    augmentation: Annotated[
        str | None, typer.Option(help="Operations joined by _, one drawn a batch; the file's own if left out.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks trained on each set.")] = _DEFAULT.seeds,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="Rows beside the file: own-start, coded (same bytes), equal-instances, equal-budget,"
            " whole (slow: the whole train split); none for none.",
        ),
    ] = "own-start,coded",
    corruptions: Annotated[
        str | None,
        typer.Option(metavar="all|A,B,...", help="Test on corrupted images, too: gaussian_noise, fog, jpeg, ..."),
    ] = None,
    severities: Annotated[str, typer.Option(metavar="1,3,5", help="Severities of the corruptions, 1 to 5.")] = "1,3,5",
    metric: Annotated[
        str | None,
        typer.Option(metavar="lrs,ars", help="DD-Ranking's scores in place of the table."),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the file's results into its metadata; its digest stays.")
    ] = False,
    save_network: Annotated[
        Path | None,
        typer.Option(metavar="NET.pt", help="Keep the first network; fredfmt.distill.load_network reads it."),
    ] = None,
    device: options.Device = "cpu",
    size: options.Size = None,
    data_root: options.DataRoot = None,
    expected_digest: options.ExpectedDigest = None,
    json: options.Json = False,
) -> None:
    """Train fresh networks on a file and test them on real images, beside random real images in the same bytes."""
    from fredfmt.data.sources import open_source
    from fredfmt.distill.evaluation.comparison import compare
    from fredfmt.storage.addresses import is_address, shown
    from fredfmt.storage.containers.package import with_metadata
    from fredfmt.storage.files import load, save
    from fredfmt.storage.writing import replacing

    if record and is_address(file):
        raise ArgumentError("results are recorded in local files", where=shown(file), hint="fredfmt pull it first")
    if save_network is not None:
        if metric is not None or len(network or ()) > 1:
            raise ArgumentError("--save-network keeps one network", hint="Leave out --metric, name one --network")
        refuse_existing(save_network, False)
    tried = _corruption_config(corruptions, severities)
    data = load(file, expected_digest=expected_digest)
    base = EvaluationConfig.paper() if protocol == "paper" else _DEFAULT
    said = options.said(context)
    shared: dict[str, Any] = {name: said[name] for name in ("steps", "epochs", "batch", "seeds") if name in said}
    if "lr" in said:
        shared["lr"] = _DEFAULT.following(data.metadata.recipe).lr if lr == "recipe" else options.parse_lr(lr)
    layers = {name: said[name] for name in ("width", "depth", "norm", "pooling") if name in said}
    shared["augmentation"] = augmentation or data.metadata.distillation.get("augmentation", _DEFAULT.augmentation)
    names = network or [base.network.name]
    factories = [options.parse_network(name) for name in names]
    configs = [replace(base, network=replace(base.network, name=name, **layers), **shared) for name in names]
    train, test = (
        open_source(on, split=split, size=size, data_root=data_root, classes=data.metadata.classes)
        for split in ("train", "test")
    )
    if metric is not None:
        if record:
            raise ArgumentError("--record keeps accuracies, not scores", hint="Leave out --metric or --record")
        show_scores(data, train, test, configs, metric, device=device, json=json)
        return

    def keep(trained: Module) -> None:
        from fredfmt.distill.networks.saved import save_network as write

        with replacing(save_network) as target:  # type: ignore[arg-type]
            write(target, trained, configs[0].network, data.metadata)

    with showing_progress() as report:
        compared = [
            compare(
                data,
                train,
                test,
                config,
                baselines=options.parse_list(baselines),
                corruptions=tried,
                network=factory,
                device=device,
                progress=report,
                keep=keep if save_network is not None else None,
            )
            for config, factory in zip(configs, factories, strict=True)
        ]
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
        for row in rows[1:]:
            show(f"[dim]{row.name}: {row.description}[/dim]")
        if tried is not None:
            show(_corruption_table(rows))
        show(f"Protocol {config.protocol}: {_in_words(rows[0].evaluation.config)}.")
        show(f"{len(test):,} test images of {test.name}.")
        starts = [row.evaluation for row in rows if row.name == "own start"]
        if starts and config.seeds > 1:
            gain = 100 * (rows[0].evaluation.mean - starts[0].mean)
            error = 100 * (rows[0].evaluation.standard_error ** 2 + starts[0].standard_error ** 2) ** 0.5
            show(f"The file against its own start: {gain:+.2f} points, standard error {error:.2f}.")


def _in_words(config: EvaluationConfig) -> str:
    """The settings of a protocol, without its name and what it does not use."""
    idle = {"protocol", "epochs" if config.protocol == "steps" else "steps"}
    values = {name: value for name, value in config.to_json().items() if name not in idle}
    network = values.pop("network")
    values["network"] = " ".join([network.pop("name"), *(f"{name} {value}" for name, value in network.items())])
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _corruption_config(corruptions: str | None, severities: str) -> CorruptionConfig | None:
    if corruptions is None:
        return None
    try:
        levels = tuple(map(int, severities.split(",")))
    except ValueError:
        raise ArgumentError("unusable --severities", expected="numbers of 1 to 5, as 1,3,5", found=severities) from None
    return CorruptionConfig(() if corruptions == "all" else options.parse_list(corruptions), levels)


def _table(rows: tuple[Row, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None)
    table.add_column("trained on", no_wrap=True)
    for heading in ("bytes", "bits a class", "images a class", "accuracy %", "std", "error"):
        table.add_column(heading, justify="right")
    table.add_column("each network")
    for row in rows:
        result = row.evaluation
        table.add_row(
            row.name,
            kilobytes(row.bytes),
            f"{row.bits_per_class:,.0f}",
            f"{row.instances_per_class:g}",
            f"{100 * result.mean:.2f}",
            *("" if math.isnan(value) else f"{100 * value:.2f}" for value in (result.std, result.standard_error)),
            " ".join(f"{100 * accuracy:.1f}" for accuracy in result.accuracies),
        )
    return table


def _corruption_table(rows: tuple[Row, ...]) -> Table:
    """Accuracies on corrupted images, a column for each row of the other table."""
    from rich.table import Table

    table = Table(box=None)
    table.add_column("accuracy % on corrupted images", no_wrap=True)
    for row in rows:
        table.add_column(row.name, justify="right")
    found = [robustness for row in rows if (robustness := row.evaluation.robustness) is not None]
    table.add_row("clean", *(f"{100 * row.evaluation.mean:.2f}" for row in rows))
    table.add_row("mean corrupted", *(f"{100 * one.mean:.2f}" for one in found))
    table.add_row("relative drop", *(f"{100 * one.relative_drop:.1f} %" for one in found))
    for name in dict.fromkeys(one.name for one in found[0].each):
        table.add_row(f"  {name.replace('_', ' ')}", *(f"{100 * one.of(name):.2f}" for one in found))
    return table
