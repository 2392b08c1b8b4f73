"""`fredfmt inspect`: what is in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, print_json, show, show_in_colour

if TYPE_CHECKING:
    from rich.table import Table

    from fredfmt.model import FreDData


_BETWEEN_KEPT = 0.7
"""The share of the variance between classes below which `inspect` warns."""


def inspect(
    file: options.File,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="The metadata alone: of a URL its first 64 kB, the data not verified.")
    ] = False,
    expected_digest: options.ExpectedDigest = None,
    json: options.Json = False,
) -> None:
    """Show what is in a file: shapes, masks, where its bytes go, where it came from, and that it is whole."""
    from rich.markup import escape

    from fredfmt.digest import digest
    from fredfmt.storage import load
    from fredfmt.thumbnails import thumbnails

    if metadata:
        _show_metadata(file, expected_digest, json)
        return
    data = load(file, expected_digest=expected_digest)
    facts = describe(data) | {"file": file, "digest": digest(data), "verified": True}
    if json:
        print_json(facts)
        return
    show(f"[bold]{escape(file)}[/bold]  verified, {facts['digest']}")
    for warning in facts["warnings"]:
        show(f"[yellow]warning[/yellow] {warning}")
    show_in_colour(lambda width: thumbnails(data, width=width))
    show(_table("Data", facts["data"]))
    show(_table("Bytes", facts["bytes"]))
    _show_provenance(facts["metadata"])


def _show_metadata(file: str, expected_digest: str | None, json: bool) -> None:
    from rich.markup import escape

    from fredfmt.errors import ArgumentError
    from fredfmt.storage import load_metadata

    if expected_digest is not None:
        raise ArgumentError("the metadata alone have no content digest", hint="Leave out --metadata")
    found = load_metadata(file).to_json()
    if json:
        print_json({"file": file, "metadata": found, "verified": False})
        return
    show(f"[bold]{escape(file)}[/bold]  metadata alone, the data were not looked at")
    facts = ("spatial_shape", "channels", "transform")
    show(_table("Data", {"classes": len(found["classes"]), **{name: found[name] for name in facts}}))
    _show_provenance(found)


def _show_provenance(metadata: dict[str, Any]) -> None:
    for name in (
        "normalization",
        "whitening",
        "mask",
        "reconstruction",
        "source",
        "distillation",
        "recipe",
        "license",
        "citation",
    ):
        if value := metadata.get(name):
            show(_table(name.capitalize(), value if isinstance(value, dict) else {"": value}))
    for result in metadata.get("results", []):
        show(_table("Result", result))


def describe(data: FreDData) -> dict[str, Any]:
    """Everything `inspect` shows, as JSON values."""
    from dataclasses import asdict

    import numpy as np

    from fredfmt.ledger import ledger
    from fredfmt.model import ARRAYS

    account, meta = ledger(data), data.metadata
    arrays = {name: getattr(data, name) for name in ARRAYS}
    together = np.unique(data.frequencies)
    labels = data.labels.argmax(axis=1) if data.soft else data.labels
    counts = np.bincount(labels, minlength=len(meta.classes))
    return {
        "data": {
            "instances": len(data),
            "shape": [meta.channels, *meta.spatial_shape],
            "classes": len(meta.classes),
            "instances_per_class": [int(counts.min()), int(counts.max())],
            "labels": "soft" if data.soft else "hard",
            "transform": meta.transform,
            "k": data.k,
            "masks": len(data.frequencies),
            "frequencies_used_by_any_mask": len(together),
            "stored_as": f"step {meta.quantization.step:g}" if meta.quantization.step else meta.quantization.mode,
            "arrays": {
                name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items() if array is not None
            },
        },
        "bytes": {
            **{
                key: value
                for key, value in asdict(account).items()
                if key in ("coefficients", "frequencies", "labels", "base", "metadata", "container", "memory")
            },
            "total": account.total,
            "bits_per_class": round(account.bits_per_class, 1),
            "ipc": round(account.ipc, 4),
        },
        "metadata": meta.to_json(),
        "warnings": _warnings(data),
    }


def _warnings(data: FreDData) -> list[str]:
    warnings = []
    if data.metadata.whitening is not None:
        warnings.append(
            "the images are whitened (ZCA): networks trained on them know whitened images only, and what they are to"
            " judge must be whitened by the same matrix"
        )
    kept = data.metadata.mask.get("between_kept")
    if isinstance(kept, int | float) and kept < _BETWEEN_KEPT:
        text = (
            f"the masks leave out {1 - kept:.0%} of the variance between classes, and networks may not tell them apart;"
            " explained variance is blind to what is constant within a class: try --mask fisher or amplitude, or a"
            " larger k"
        )
        warnings.append(text)
    return warnings


def _table(title: str, values: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    for key, value in values.items():
        if title == "Bytes" and key not in ("bits_per_class", "ipc"):
            share = value / values["total"] if key not in ("total", "memory") else 0
            table.add_row(f"  {key}", kilobytes(value), f"{share:.0%}" if share else "", "━" * round(30 * share))
            continue
        if isinstance(value, float):
            value = f"{value:,.6g}"
        if isinstance(value, dict):
            value = "\n".join(f"{name}: {part}" for name, part in value.items())
        table.add_row(f"  {key.replace('_', ' ')}", str(value))
    return table
