"""`fredfmt inspect`: the content of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, plain, print_json, show, show_in_colour
from fredfmt.cli.tables import Column, table, written
from fredfmt.errors import printable

if TYPE_CHECKING:
    from rich.table import Table


_NAMES, _BAR = 12, 30
_MEANING: Mapping[str, str] = MappingProxyType(
    {
        "k": "coefficients kept per image and channel",
        "frequencies_used_by_any_mask": "of all frequencies",
        "variance_kept": "share of the variance within classes that the masks keep",
        "between_kept": "share of the variance between class means that the masks keep; if low, classes look alike",
        "rmse": "root mean square error of the stored images, in the space of training",
        "error_rms": "root mean square error of rounding a coefficient",
        "error_max": "largest error of rounding a coefficient",
        "memory": "all arrays when loaded",
        "bits_per_class": "bits of the whole file divided by the number of classes",
        "ipc": "whole images per class with the same number of values: the budget used in papers",
    }
)
"""The meaning of figures whose names do not explain them."""


def inspect(
    file: options.File,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata",
            help="Show only the metadata: only the first 64 KiB of a URL are fetched, and the data are not verified.",
        ),
    ] = False,
    expected_digest: options.ExpectedDigest = None,
    json: options.Json = False,
) -> None:
    """Verify a file, and show its shapes, masks, bytes of each part, origin and results."""
    from rich.markup import escape

    from fredfmt.storage.addresses import shown
    from fredfmt.storage.files import digest, load
    from fredfmt.view.facts import describe
    from fredfmt.view.thumbnails import thumbnails

    if metadata:
        _show_metadata(file, expected_digest, json)
        return
    data = load(file, expected_digest=expected_digest)
    facts = describe(data, file=file) | {"file": (file := shown(file)), "digest": digest(data), "verified": True}
    if json:
        print_json(facts)
        return
    show(f"[bold]{escape(printable(file))}[/bold]  [green]verified[/green], {facts['digest']}")
    for warning in facts["warnings"]:
        show(f"[yellow]warning[/yellow] {warning}")
    show_in_colour(lambda width: thumbnails(data, width=width))
    show(_listed_facts("Data", _data(facts["data"], data.metadata.classes)))
    show(_bytes(facts["bytes"]), _listed_facts("In other units", _figures(facts["bytes"])))
    _show_provenance(facts["metadata"])


def _show_metadata(file: str, expected_digest: str | None, json: bool) -> None:
    from rich.markup import escape

    from fredfmt.errors import ArgumentError
    from fredfmt.storage.addresses import shown
    from fredfmt.storage.files import load_metadata

    if expected_digest is not None:
        raise ArgumentError("the content digest needs the whole file", hint="Omit --metadata")
    metadata = load_metadata(file)
    found, file = metadata.to_json(), shown(file)
    if json:
        print_json({"file": file, "metadata": found, "verified": False})
        return
    show(f"[bold]{escape(printable(file))}[/bold]  only the metadata; the data were not read")
    facts = {
        "shape": _by(found["channels"], *found["spatial_shape"]),
        "classes": _listed(found["classes"]),
        "transform": metadata.transforms,
    }
    show(_listed_facts("Data", facts))
    _show_provenance(found)


def _show_provenance(metadata: dict[str, Any]) -> None:
    from fredfmt.model.distillation import by_name

    for name in (
        "normalization",
        "whitening",
        "mask",
        "reconstruction",
        "source",
        "distillation",
        "recipe",
    ):
        if value := metadata.get(name):
            show(_listed_facts(name.capitalize(), by_name(value) if name == "distillation" else value))
    if terms := {name: metadata[name] for name in ("license", "citation") if metadata.get(name)}:
        show(_listed_facts("Terms", terms))
    for result in metadata.get("results", []):
        show(_listed_facts("Result", result))


def _data(facts: dict[str, Any], classes: tuple[str, ...]) -> dict[str, Any]:
    """The facts in readable form."""
    least, most = facts["instances_per_class"]
    return facts | {
        "shape": _by(*facts["shape"]),
        "classes": _listed(classes),
        "instances_per_class": most if least == most else f"{least} to {most}",
    }


def _by(*lengths: int) -> str:
    return " × ".join(map(str, lengths))


def _listed(classes: Sequence[str]) -> str:
    names = ", ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in classes[:_NAMES])
    return f"{len(classes)}: {names}" + (f" and {len(classes) - _NAMES} more" if len(classes) > _NAMES else "")


def _bytes(facts: dict[str, Any]) -> Table:
    """The parts of the file with their shares."""
    rows = []
    total = facts["total"]
    for part in ("coefficients", "frequencies", "labels", "base", "metadata", "container"):
        if share := facts[part] / total:
            rows.append((f"  {part}", kilobytes(facts[part]), f"{share:.0%}", "━" * round(_BAR * share)))
    rows.append(("  the file", kilobytes(total), "", ""))
    columns = [Column(), Column(right=True), Column(right=True), Column(style="cyan", whole=True)]
    return table(columns, rows, title="Bytes")


def _figures(facts: dict[str, Any]) -> dict[str, Any]:
    """The size of the file in other units."""
    return {
        "memory": kilobytes(facts["memory"]),
        "bits_per_class": f"{facts['bits_per_class']:,.0f}",
        "ipc": f"{facts['ipc']:.4g}",
    }


def _listed_facts(title: str, values: dict[str, Any]) -> Table:
    """Names and values, with the meaning of names that do not explain themselves."""
    rows = (
        (plain(f"  {name.replace('_', ' ')}"), plain(written(value)), _MEANING.get(name, ""))
        for name, value in values.items()
    )
    return table([Column(width=16), Column(), Column(style="dim")], rows, title=title)
