"""`fredfmt evaluate --metric`: DD-Ranking's scores of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fredfmt.cli.console import kilobytes, print_json, show, showing_progress
from fredfmt.errors import ArgumentError

if TYPE_CHECKING:
    from fredfmt.data.sources import Source
    from fredfmt.distill.evaluation.settings import EvaluationConfig
    from fredfmt.model.data import FreDData

METRICS = {"lrs": "label-robust score", "ars": "augmentation-robust score"}
_PARTS = {
    "hard_label_recovery": "hard-label gap to the whole set (less is better)",
    "improvement_over_random": "gain over as many random images",
    "bit_matched_improvement": "gain over random images in the same bytes",
}


def show_scores(
    data: FreDData,
    train: Source,
    test: Source,
    configs: Sequence[EvaluationConfig],
    metric: str,
    *,
    device: str,
    json: bool,
) -> None:
    """Compute and print the scores that ``metric`` names, joined by commas, for each configuration."""
    from fredfmt.distill.evaluation.scores import score

    names = [name.strip() for name in metric.split(",")]
    if unknown := [name for name in names if name not in METRICS]:
        raise ArgumentError("no such metric", expected=" or ".join(METRICS), found=repr(unknown[0]))
    with showing_progress() as report:
        scored = [score(data, train, test, config, device=device, progress=report).to_json() for config in configs]
    left_out = set(METRICS) - set(names)
    documents = [{key: part for key, part in document.items() if key not in left_out} for document in scored]
    if json:
        print_json(documents)
        return
    from rich.table import Table

    for config, document in zip(configs, documents, strict=True):
        table = Table(f"{config.network.name}, file of {kilobytes(document['bytes'])}", "mean", "std", box=None)
        for name in names:
            table.add_row(METRICS[name], *_figures(document[name], percent=False))
        for name, words in _PARTS.items():
            table.add_row(words, *_figures(document[name], percent=True))
        for name, accuracy in document["accuracies"].items():
            table.add_row(f"[dim]accuracy, {name.replace('_', ', ')}[/dim]", *_figures(accuracy, percent=True))
        show(table)


def _figures(summary: dict[str, Any], *, percent: bool) -> tuple[str, str]:
    mean, std = summary["mean"], summary["std"]
    if percent:
        return f"{100 * mean:.2f} %", "" if std is None else f"{100 * std:.2f}"
    return f"{mean:.4f}", "" if std is None else f"{std:.4f}"
