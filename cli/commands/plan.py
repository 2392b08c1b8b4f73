"""`fredfmt plan`: the choices within a budget, before a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import columns, kilobytes, print_json, say, show, showing_progress
from fredfmt.cli.settings import asking, given_settings
from fredfmt.cli.tables import Column, table
from fredfmt.codec.masks import MASKS, checked_choice
from fredfmt.distill.settings.layout import BudgetSettings, Effort, FrequencySettings
from fredfmt.errors import ArgumentError
from fredfmt.storage.ledger import bytes_of

if TYPE_CHECKING:
    from fredfmt.distill.choosing.planning import Choice

_WIDE = 70
"""The width in characters from which on all columns are shown; in a narrower terminal, budgets in other units are
omitted."""


_BUDGET, _KEPT = BudgetSettings.options(), FrequencySettings.options()
_PANELS = {
    "Budget": {"max_bytes": _BUDGET["max_bytes"], "ipc": replace(_BUDGET["ipc"], default=None)},
    "Frequencies": {
        "transform": _KEPT["transform"],
        "channel_transform": _KEPT["channel_transform"],
        "mask": replace(_KEPT["mask"], words=tuple(MASKS), help="How frequencies are chosen."),
    },
}


@asking(_PANELS)
def plan(
    context: typer.Context,
    source: options.Source,
    bits_per_class: options.BitsPerClass = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            "--k",
            min=_KEPT["k"].least,
            help=f"{_KEPT['k'].help} By default several are tried.",
            rich_help_panel="Frequencies",
        ),
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(
            metavar=_BUDGET["step"].metavar,
            help=f"{_BUDGET['step'].help} By default several are tried.",
            rich_help_panel="Budget",
        ),
    ] = None,
    effort: Annotated[
        Effort | None,
        typer.Option(help="Also choose the settings of distill for these bytes, by trials, and give the reasons."),
    ] = None,
    device: options.Device = "cpu",
    seed: options.Seed = 0,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    json: options.Json = False,
    **_: Any,
) -> None:
    """Show the possible choices of k, step and number of instances within a budget, with actual bytes and errors.

    They are measured with random real images in the same layout, from which a distillation starts.
    """
    from fredfmt.data.sources import open_source
    from fredfmt.distill.choosing.planning import STEPS
    from fredfmt.distill.choosing.planning import plan as choices_of

    settings = given_settings(context, _PANELS)
    options.check_one_budget(settings, bits_per_class)

    def check(spatial_shape: tuple[int, ...]) -> None:
        for one in k or (1,):
            checked_choice(settings.get("mask", "evr"), one, spatial_shape, settings.get("transform", "dct"))

    wanted = options.parse_classes(classes)
    real = open_source(source, split="train", size=size, data_root=data_root, classes=wanted, check=check)
    if bits_per_class is not None:
        settings["max_bytes"] = bytes_of(bits_per_class, len(real.classes))
    steps = tuple(map(_BUDGET["step"].read, step)) if step else STEPS
    given: dict[str, Any] = {
        name: settings[name] for name in ("transform", "channel_transform", "mask") if name in settings
    }
    if effort is not None:
        if "ipc" in settings or len(k or ()) > 1 or len(step or ()) > 1:
            raise ArgumentError(
                "--effort chooses settings for a number of bytes", expected="--bytes, and at most one --k and --step"
            )
        given |= {name: values[0] for name, values in (("k", k), ("step", step and steps)) if values}
    with showing_progress() as report:
        choices = choices_of(real, **settings, ks=k, steps=steps, seed=seed, progress=report)
    chosen, length = None, ""
    if effort is not None:
        from fredfmt.distill.choosing import choose
        from fredfmt.distill.distilling import duration

        with showing_progress() as report:
            how: dict[str, Any] = {"effort": effort, "device": device, "seed": seed}
            chosen = choose(real, settings.get("max_bytes"), **how, progress=report, announce=say, **given)
            length = duration(real, chosen.config, device)
    if json:
        found = [choice.to_json() for choice in choices]
        print_json(found if chosen is None else {"choices": found, **chosen.to_json()})
        return
    shown: dict[str, Callable[[Choice], str]] = {
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
        shown = {heading: cell for heading, cell in shown.items() if heading not in ("ipc", "bits per class")}
    headings = (heading.replace(" ", "\n") if narrow else heading for heading in shown)
    show(
        table(
            [Column(heading, right=True, whole=narrow) for heading in headings],
            ([cell(choice) for cell in shown.values()] for choice in choices),
        )
    )
    if chosen is not None:
        typer.echo(
            "\n".join(["", "fredfmt distill with only --bytes:", *chosen.reasons, length, "", chosen.config.to_toml()])
        )
