"""`fredfmt evaluate`: measures the accuracy of networks that are trained on a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from fredfmt.cli import options
from fredfmt.cli.commands.evaluate_scores import show_scores
from fredfmt.cli.console import kilobytes, print_json, refuse_existing, show, showing_progress
from fredfmt.cli.settings import asking, given_settings, panels_of
from fredfmt.cli.tables import Column, percent, table
from fredfmt.data.sources import open_source
from fredfmt.distill.evaluation.comparison import BASELINES, DEFAULT_BASELINES, Row, compare
from fredfmt.distill.evaluation.corruptions import CORRUPTIONS
from fredfmt.distill.evaluation.results import gain
from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig
from fredfmt.distill.networks.saved import save_network as write_network
from fredfmt.distill.networks.settings import settings_of
from fredfmt.errors import ArgumentError, printable
from fredfmt.storage.addresses import is_address, shown
from fredfmt.storage.containers.package import with_metadata
from fredfmt.storage.files import load, save
from fredfmt.storage.writing import replacing

if TYPE_CHECKING:
    from rich.table import Table
    from torch.nn import Module

_PANELS = panels_of(Protocol=EvaluationConfig)
_LR, _AUGMENTATION = (EvaluationConfig.options()[name] for name in ("lr", "augmentation"))
_PANELS["Protocol"] |= {
    "lr": replace(
        _LR, words=("recipe",), metavar="NUMBER|recipe", help=f"{_LR.help} recipe: the learning rate in the file."
    ),
    "augmentation": replace(_AUGMENTATION, default=None, help=f"{_AUGMENTATION.help} Default: that of the file."),
}
_CORRUPTED = {"Corruptions": CorruptionConfig.options()}


@asking(_PANELS | _CORRUPTED)
def evaluate(
    context: typer.Context,
    file: options.File,
    on: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="The real dataset for test images and baselines.",
            autocompletion=options.complete_source,
        ),
    ],
    network: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{_PANELS['Network']['network'].help} Repeat it to compare several.",
            autocompletion=options.starting_with(_PANELS["Network"]["network"].examples),
            rich_help_panel="Network",
        ),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help=f"Baselines: {', '.join(BASELINES)}, or none; whole is slow. Default: "
            f"{', '.join(DEFAULT_BASELINES)}, and coded-soft for a file with soft labels.",
        ),
    ] = None,
    corruptions: Annotated[
        str | None,
        typer.Option(
            metavar="all|A,B,...",
            help=f"Also test on corrupted images: {', '.join(CORRUPTIONS)}.",
            rich_help_panel="Corruptions",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="lrs,ars", help="Show DD-Ranking's scores instead of accuracies."),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the results into the file's metadata; its digest does not change.")
    ] = False,
    save_network: Annotated[
        Path | None,
        typer.Option(metavar="NET.pt", help="Save the first network; fredfmt.distill.load_network loads it."),
    ] = None,
    device: options.Device = "cpu",
    size: options.Size = None,
    data_root: options.DataRoot = None,
    expected_digest: options.ExpectedDigest = None,
    json: options.Json = False,
    **_: Any,
) -> None:
    """Train new networks on a file, test them on real images, and compare with random real images in the same bytes.

    The defaults shown below are those of the protocol steps. The protocol paper has batches of 256, a learning rate of
    0.01, and five networks of width 128.
    """
    if record and is_address(file):
        raise ArgumentError(
            "results can only be recorded in local files", where=shown(file), hint="fredfmt pull it first"
        )
    if save_network is not None:
        if metric is not None or len(network or ()) > 1:
            raise ArgumentError(
                "--save-network saves a single network", hint="Omit --metric, and give only one --network"
            )
        refuse_existing(save_network, False)
    if metric is not None and record:
        raise ArgumentError("--record writes accuracies, not scores", hint="Omit --metric or --record")
    tried = None
    if corruptions is not None:
        names = () if corruptions == "all" else options.parse_list(corruptions)
        tried = CorruptionConfig(names, **given_settings(context, _CORRUPTED))
    elif given_settings(context, _CORRUPTED):
        raise ArgumentError("--severities are those of --corruptions", hint="Add --corruptions all")
    data = load(file, expected_digest=expected_digest)
    changes = given_settings(context, _PANELS)
    configs = [
        EvaluationConfig.for_data(data, **_suiting(name, network or (), changes) | {"network": name})
        for name in network or (None,)
    ]
    factories = [options.parse_network(config.network.name) for config in configs]
    train, test = (
        open_source(on, split=split, size=size, data_root=data_root, classes=data.metadata.classes)
        for split in ("train", "test")
    )
    if metric is not None:
        show_scores(data, train, test, configs, metric, device=device, json=json)
        return

    beside = None if baselines is None else () if baselines == "none" else options.parse_list(baselines)

    def keep(trained: Module) -> None:
        with replacing(save_network) as target:  # type: ignore[arg-type]
            write_network(target, trained, configs[0].network, data.metadata)

    with showing_progress() as report:
        compared = [
            compare(
                data,
                train,
                test,
                config,
                baselines=beside,
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
        show(_accuracies(rows))
        for row in rows[1:]:
            show(f"[dim]{row.name}: {row.description}[/dim]")
        if tried is not None:
            show(_corrupted(rows))
        show(f"Protocol {config.protocol}: {rows[0].evaluation.config.words()}.")
        show(f"{len(test):,} test images of {escape(printable(test.name))}.")
        starts = [row.evaluation for row in rows if row.name == "own start"]
        if starts and config.seeds > 1:
            difference, error = gain(rows[0].evaluation, starts[0])
            text = f"{100 * difference:+.2f} points, standard error {100 * error:.2f}"
            show(f"Gain over its own start: {text}.")


def _suiting(name: str | None, names: Sequence[str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings for one of several networks: without those that only others of them have."""
    others = {setting for other in names for setting in settings_of(other)}
    skipped = others.difference(settings_of(name)) if name is not None else set()
    return {setting: value for setting, value in changes.items() if setting not in skipped}


def _accuracies(rows: tuple[Row, ...]) -> Table:
    headings = ("bytes", "bits per class", "images per class", "accuracy %", "std", "error")
    columns = [
        Column("trained on", whole=True),
        *(Column(heading, right=True) for heading in headings),
        Column("each network"),
    ]
    return table(
        columns,
        (
            (
                row.name,
                kilobytes(row.bytes),
                f"{row.bits_per_class:,.0f}",
                f"{row.instances_per_class:g}",
                *map(percent, (row.evaluation.mean, row.evaluation.std, row.evaluation.standard_error)),
                " ".join(percent(accuracy, 1) for accuracy in row.evaluation.accuracies),
            )
            for row in rows
        ),
    )


def _corrupted(rows: tuple[Row, ...]) -> Table:
    """Accuracies on corrupted images, a column for each row of the other table."""
    found = [robustness for row in rows if (robustness := row.evaluation.robustness) is not None]
    columns = [Column("accuracy % on corrupted images", whole=True), *(Column(row.name, right=True) for row in rows)]
    lines = [
        ("clean", *(percent(row.evaluation.mean) for row in rows)),
        ("mean corrupted", *(percent(one.mean) for one in found)),
        ("relative drop", *(f"{percent(one.relative_drop, 1)} %" for one in found)),
    ]
    for name in dict.fromkeys(one.name for one in found[0].each):
        lines.append((f"  {name.replace('_', ' ')}", *(percent(one.of(name)) for one in found)))
    return table(columns, lines)
