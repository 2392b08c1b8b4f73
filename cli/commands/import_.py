"""`fredfmt import`: converts a distilled dataset of another project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, print_json, say
from fredfmt.errors import ArgumentError

_LARGER = 1.5
"""A message is shown for a file of more than this many times the bytes of its source."""
_KINDS = "dc, fields, flax, packed, triple, pair, arrays, tensor or folder"


def import_(
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A .pt, .npz, .npy, .h5, .safetensors or checkpoint file, or a folder."),
    ],
    out: options.Out,
    dataset: Annotated[
        str | None, typer.Option(help="The real dataset, such as cifar10: class names, mean and std.")
    ] = None,
    mean: Annotated[str | None, typer.Option(metavar="A,B,...", help="Mean of each channel in 0..1.")] = None,
    std: Annotated[str | None, typer.Option(metavar="A,B,...", help="Standard deviation of each channel.")] = None,
    unit: Annotated[bool, typer.Option("--unit", help="The images are in 0..1.")] = False,
    zca: Annotated[
        str | None,
        typer.Option(metavar="MATRIX", help="A file that undoes the whitening, or keep to leave images whitened."),
    ] = None,
    zca_epsilon: Annotated[
        float | None, typer.Option(help="With --zca keep: the epsilon that was added to the variances.")
    ] = None,
    no_zca: Annotated[bool, typer.Option("--no-zca", help="The images are not ZCA-whitened.")] = False,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...", help="Class names in the order of the labels, or the word numbers if they are unknown."
        ),
    ] = None,
    labels: Annotated[
        Literal["hard", "probabilities", "logits", "centred", "class-major"] | None,
        typer.Option(help="Meaning of float labels; class-major: no labels are stored and images are sorted by class."),
    ] = None,
    labels_file: Annotated[Path | None, typer.Option(help="The file of the labels.")] = None,
    temperature: Annotated[float, typer.Option(min=1e-6, help="Divides logits.")] = 1.0,
    lr: Annotated[str | None, typer.Option(help="Learning rate for training, or the word unknown.")] = None,
    factor: Annotated[int | None, typer.Option(min=1, help="Pictures per side of a packed image.")] = None,
    experiment: Annotated[int | None, typer.Option(min=0, help="Which experiment of a res_*.pt file.")] = None,
    average: Annotated[
        bool | None, typer.Option(help="Use the running average of a checkpoint's images, or the last images.")
    ] = None,
    channels: Annotated[
        Literal["first", "last", "none"] | None, typer.Option(help="Position of the channel axis.")
    ] = None,
    w0: Annotated[float | None, typer.Option(help="Frequency of the sines of a neural field.")] = None,
    w0_initial: Annotated[float | None, typer.Option(help="The same for its first layer.")] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="H,W",
            help="Size of neural fields and of images stored as rows, or to which image files are resized.",
        ),
    ] = None,
    kind: Annotated[str | None, typer.Option(help=f"Kind of the file: {_KINDS}; recognised if omitted.")] = None,
    transform: Annotated[
        str | None, typer.Option(help="dct, hartley, haar, db2 or identity; by default exact pixels.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Frequencies to keep per image; by default all.")] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            help="evr, fisher, amplitude, low, high or random; by default it depends on the number of images.",
            autocompletion=options.completing("fredfmt.codec.masks", "MASKS"),
        ),
    ] = None,
    step: options.Step = "float32",
    seed: options.Seed = 0,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Import files of DC, DM, FreD, MTT, DATM, IDC, DDiF, FRePo, KIP and others. No code in a file is executed.

    Facts that are not in a file (normalisation, whitening, class names) must be given and are never guessed.
    """
    from fredfmt.exchange.importers import NOTES, Facts, import_file
    from fredfmt.storage.files import save
    from fredfmt.storage.ledger import stored_size

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
        size=_size(size),
        labels_file=labels_file,
    )
    chosen = options.parse_step(step)
    data = import_file(source, facts, kind=kind, transform=transform, k=k, mask=mask, step=chosen, seed=seed)
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
    say(f"{out}: {len(data):,} instances, {meta.transform} k={data.k}, {exact}, {kilobytes(stored)}")
    before = sum(entry["bytes"] for entry in notes["files"])
    if before and stored > _LARGER * before:
        say(f"this is {stored / before:.1f} times the {kilobytes(before)} of its source{_why(notes)}")


def _why(notes: Mapping[str, Any]) -> str:
    factor = notes.get("factor", 1)
    packed = f": each image was divided into {factor**2} pictures, enlarged to its size" if factor > 1 else ""
    return f"{packed}; --transform dct with --k and --step makes a smaller file and reports the error"


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"unusable {option}", expected="a number", found=text) from None


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    return None if text is None else tuple(_number(part, option) for part in text.split(","))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) not in (1, 2) or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise ArgumentError("unusable --size", expected="HEIGHT,WIDTH or one number", found=text)
    return int(parts[0]), int(parts[-1])
