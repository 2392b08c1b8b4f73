"""`fredfmt import`: converts a distilled dataset of another project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, print_json, say
from fredfmt.cli.settings import asking, given_settings
from fredfmt.codec.masks import MASKS
from fredfmt.distill.settings.layout import BudgetSettings, FrequencySettings
from fredfmt.errors import ArgumentError
from fredfmt.exchange.importers import IMPORTERS, NOTES, Facts, import_file, size_warnings
from fredfmt.exchange.importers.facts import LabelKind
from fredfmt.storage.files import save
from fredfmt.storage.ledger import stored_size

_SOURCE, _IMAGES, _LABELS, _FIELDS = "Source", "Facts about the images", "Labels and training", "Neural fields"
_STEP, _KEPT = BudgetSettings.options()["step"], FrequencySettings.options()
_PANELS = {
    "Storing": {
        "transform": replace(
            _KEPT["transform"], default=None, help=f"{_KEPT['transform'].help} Default: exact pixels."
        ),
        "k": replace(_KEPT["k"], default=None, help="Frequencies to keep per image; by default all."),
        "mask": replace(
            _KEPT["mask"],
            default=None,
            words=tuple(MASKS),
            help="How frequencies are chosen; by default it depends on the number of images.",
        ),
        "step": replace(_STEP, default=_STEP.none),
    }
}


@asking(_PANELS)
def import_(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A .pt, .npz, .npy, .h5, .safetensors or checkpoint file, or a folder."),
    ],
    out: options.Out,
    dataset: Annotated[
        str | None,
        typer.Option(help="The real dataset, such as cifar10: class names, mean and std.", rich_help_panel=_IMAGES),
    ] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Mean of each channel in 0..1.", rich_help_panel=_IMAGES)
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Standard deviation of each channel.", rich_help_panel=_IMAGES)
    ] = None,
    unit: Annotated[bool, typer.Option("--unit", help="The images are in 0..1.", rich_help_panel=_IMAGES)] = False,
    zca: Annotated[
        str | None,
        typer.Option(
            metavar="MATRIX",
            help="A file that undoes the whitening, or keep to leave images whitened.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    zca_epsilon: Annotated[
        float | None,
        typer.Option(
            help="With --zca keep: the epsilon added to the eigenvalues of the covariance.", rich_help_panel=_IMAGES
        ),
    ] = None,
    no_zca: Annotated[
        bool, typer.Option("--no-zca", help="The images are not ZCA-whitened.", rich_help_panel=_IMAGES)
    ] = False,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Class names in the order of the labels, or the word numbers if they are unknown.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels: Annotated[
        LabelKind | None,
        typer.Option(
            help="Meaning of float labels; class-major: no labels are stored and images are sorted by class.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels_file: Annotated[Path | None, typer.Option(help="The file of the labels.", rich_help_panel=_LABELS)] = None,
    temperature: Annotated[
        float, typer.Option(min=1e-6, help="Temperature of the softmax of logits.", rich_help_panel=_LABELS)
    ] = 1.0,
    lr: Annotated[
        str | None, typer.Option(help="Learning rate for training, or the word unknown.", rich_help_panel=_LABELS)
    ] = None,
    factor: Annotated[
        int | None, typer.Option(min=1, help="Pictures per side of a packed image.", rich_help_panel=_SOURCE)
    ] = None,
    experiment: Annotated[
        int | None, typer.Option(min=0, help="Index of the experiment in a res_*.pt file.", rich_help_panel=_SOURCE)
    ] = None,
    average: Annotated[
        bool | None,
        typer.Option(
            help="Use the running average of a checkpoint's images instead of the last images.", rich_help_panel=_SOURCE
        ),
    ] = None,
    channels: Annotated[
        Literal["first", "last", "none"] | None,
        typer.Option(help="Position of the channel axis.", rich_help_panel=_IMAGES),
    ] = None,
    w0: Annotated[
        float | None, typer.Option(help="Frequency of the sines of a neural field.", rich_help_panel=_FIELDS)
    ] = None,
    w0_initial: Annotated[
        float | None, typer.Option(help="Frequency of the sines of the first layer.", rich_help_panel=_FIELDS)
    ] = None,
    size: Annotated[
        options.Sides | None,
        typer.Option(
            parser=options.parse_size,
            metavar="N|HxW",
            help="Size of neural fields and of images stored as rows, or to which image files are resized.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"Kind of the file: {', '.join(IMPORTERS)}; recognized if omitted.",
            autocompletion=options.starting_with(IMPORTERS),
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    seed: options.Seed = 0,
    force: options.Force = False,
    json: options.Json = False,
    **_: Any,
) -> None:
    """Import files of DC, DM, FreD, MTT, DATM, IDC, DDiF, FRePo, KIP and others. No code in a file is executed.

    Facts that are not in a file (normalization, whitening, class names) must be given and are never guessed.
    """
    check_output(out, force)
    if no_zca and zca is not None:
        raise ArgumentError("--zca and --no-zca contradict each other", expected="one of them")
    facts = Facts(
        dataset=dataset,
        mean=_numbers(mean, "--mean"),
        std=_numbers(std, "--std"),
        unit=unit,
        zca="no" if no_zca else zca,
        zca_epsilon=zca_epsilon,
        classes="numbers" if classes == "numbers" else tuple(options.parse_classes(classes) or ()) or None,
        labels=labels,
        temperature=temperature,
        lr="unknown" if lr == "unknown" else None if lr is None else _number(lr, "--lr"),
        factor=factor,
        experiment=experiment,
        average=average,
        channels=channels,
        w0=w0,
        w0_initial=w0_initial,
        size=size,
        labels_file=labels_file,
    )
    data = import_file(source, facts, kind=kind, seed=seed, **given_settings(context, _PANELS))
    save(data, out)
    meta = data.metadata
    notes, rmse = meta.ext[NOTES], meta.reconstruction["rmse"]
    if json:
        print_json(
            {
                "kind": notes["kind"],
                "instances": len(data),
                "transform": meta.transform,
                "k": data.k,
                "rmse": rmse,
                "bytes": stored_size(out),
                "labels": notes["labels"],
                "space": notes["space"],
                "recipe": dict(meta.recipe),
            }
        )
        return
    if rmse:
        exact = f"root mean square error {rmse:.3g}"
    else:
        exact = "exact" if meta.transform == "identity" else "exact up to the rounding of float32"
    say(f"{source}: {notes['kind']}, labels {notes['labels']}, images {notes['space']}")
    stored = stored_size(out)
    say(f"{out}: {len(data):,} instances, {meta.transforms} k={data.k}, {exact}, {kilobytes(stored)}")
    for warning in size_warnings(notes, stored):
        say(warning)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"unusable {option}", expected="a number", found=text) from None


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    return None if text is None else tuple(_number(part, option) for part in options.parse_list(text))
