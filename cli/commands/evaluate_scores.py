"""`fredfmt evaluate --metric`: DD-Ranking's scores of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fredfmt.cli.console import kilobytes, print_json, show, showing_progress
from fredfmt.cli.options import parse_list
from fredfmt.cli.tables import Column, percent, table
from fredfmt.errors import ArgumentError, quoted

if TYPE_CHECKING:
    from fredfmt.data.sources import Source
    from fredfmt.distill.evaluation.settings import EvaluationConfig
    from fredfmt.model.data import FreDData

METRICS = {"lrs": "label-robust score", "ars": "augmentation-robust score"}
_PARTS = {
    "hard_label_recovery": "hard-label gap to the whole set (lower is better)",
    "improvement_over_random": "gain over the same number of random images",
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

    names = parse_list(metric)
    if unknown := [name for name in names if name not in METRICS]:
        raise ArgumentError("no such metric", expected=" or ".join(METRICS), found=quoted(unknown[0]))
    with showing_progress() as report:
        scored = [score(data, train, test, config, device=device, progress=report).to_json() for config in configs]
    left_out = set(METRICS) - set(names)
    documents = [{key: part for key, part in document.items() if key not in left_out} for document in scored]
    if json:
        print_json(documents)
        return
    for config, document in zip(configs, documents, strict=True):
        heading = f"{config.network.name}, file of {kilobytes(document['bytes'])}"
        rows = [(METRICS[name], *_scores(document[name])) for name in names]
        rows += [(words, *_shares(document[name])) for name, words in _PARTS.items()]
        for name, accuracy in document["accuracies"].items():
            rows.append((f"[dim]accuracy, {name.replace('_', ', ')}[/dim]", *_shares(accuracy)))
        show(table([Column(heading), Column("mean"), Column("std")], rows))


def _scores(summary: dict[str, Any]) -> tuple[str, str]:
    mean, std = summary["mean"], summary["std"]
    return f"{mean:.4f}", "" if std is None else f"{std:.4f}"


def _shares(summary: dict[str, Any]) -> tuple[str, str]:
    return f"{percent(summary['mean'])} %", percent(summary["std"])
