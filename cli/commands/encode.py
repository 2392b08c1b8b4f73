"""`fredfmt encode`: encodes real images, without distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, say, showing_progress
from fredfmt.cli.settings import asking, given_settings
from fredfmt.codec.masks import MASKS, checked_choice
from fredfmt.data.coding import encode_in_bytes, encode_with_k, mask_warnings
from fredfmt.data.sources import ZCA, Source, open_source
from fredfmt.distill.runtime.progress import Progress
from fredfmt.distill.settings.layout import BudgetSettings, FrequencySettings, WhiteningSettings
from fredfmt.errors import ArgumentError
from fredfmt.storage.files import save
from fredfmt.storage.ledger import stored_size

_BUDGET, _KEPT = BudgetSettings.options(), FrequencySettings.options()
_PANELS = {
    "Budget": {
        "step": replace(
            _BUDGET["step"],
            default=None,
            help=f"{_BUDGET['step'].help} Default: 0.5, or a search with --bytes or --target-rmse.",
        ),
    },
    "Frequencies": {
        "k": replace(_KEPT["k"], default=None, help=f"{_KEPT['k'].help} Chosen if only --bytes is given."),
        "transform": _KEPT["transform"],
        "channel_transform": _KEPT["channel_transform"],
        "mask": replace(
            _KEPT["mask"],
            default=None,
            words=tuple(MASKS),
            help="How frequencies are chosen; by default low or amplitude, whichever has the lower error.",
        ),
        "base": _KEPT["base"],
    },
    "Images": WhiteningSettings.options(),
}


@asking(_PANELS)
def encode(
    context: typer.Context,
    source: options.Source,
    out: options.Out,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            "--bytes",
            "--max-bytes",
            min=_BUDGET["max_bytes"].least,
            help="Maximum size of the .fred file in bytes; settings that are not given are chosen to fit it.",
            rich_help_panel="Budget",
        ),
    ] = None,
    target_rmse: Annotated[
        float | None,
        typer.Option(help="Search the step for this error of the coefficients.", rich_help_panel="Budget"),
    ] = None,
    rounding: Annotated[
        Literal["nearest", "rate"] | None,
        typer.Option(help="rate: rate-distortion optimized; the default with --target-rmse.", rich_help_panel="Budget"),
    ] = None,
    per_class: Annotated[
        int | None,
        typer.Option(
            min=1, help="Random images per class; by default all, or the best number with --bytes but without --k."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
    name: Annotated[str | None, typer.Option(help="Name of the source in the file.")] = None,
    license: Annotated[
        str | None, typer.Option(metavar="SPDX", help="License of the images, such as CC-BY-4.0.")
    ] = None,
    seed: options.Seed = 0,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    codec: options.Codec = None,
    force: options.Force = False,
    **_: Any,
) -> None:
    """Encode real images without distillation: a given number of them, or with the best settings for --bytes."""
    settings = given_settings(context, _PANELS)
    k, mask, transform = settings.pop("k", None), settings.pop("mask", None), settings.pop("transform", "dct")
    whitening = WhiteningSettings(**{name: settings.pop(name) for name in ("zca", "zca_epsilon") if name in settings})
    if k is None and max_bytes is None:
        raise typer.BadParameter("the size is missing: give --k, --bytes or both, such as --bytes 100000")
    if max_bytes is not None and ("step" in settings or target_rmse is not None):
        raise ArgumentError("--bytes cannot be combined with --step and --target-rmse", hint="Omit these, or --bytes")
    check_output(out, force)
    wanted = options.parse_classes(classes)

    def opened(split: str) -> Source:
        return open_source(
            source,
            split=split,
            size=size,
            data_root=data_root,
            classes=wanted,
            check=lambda spatial_shape: checked_choice(mask or "low", k or 1, spatial_shape, transform),
        )

    real = opened(split)
    if whitening.zca:
        real = real.whitened(ZCA.fit(real if split == "train" else opened("train"), whitening.zca_epsilon))
    real = replace(real, name=name or real.name, license=license or real.license)
    settings |= {"transform": transform, "mask": mask, "per_class": per_class, "seed": seed}
    if rounding is not None:
        settings["rounding"] = rounding
    with showing_progress() as show:

        def report(task: str, done: int, total: int) -> None:
            show(Progress(task, done, total))

        settings["report"] = report
        if max_bytes is not None:
            data = encode_in_bytes(real, max_bytes, k=k, **settings)
        else:
            data = encode_with_k(real, k, target_rmse=target_rmse, **settings)
    save(data, out, codec=codec)
    if mask is not None:
        for warning in mask_warnings(real, data.k, mask, transform=transform, seed=seed):
            say(warning)
    meta = data.metadata
    stored = meta.quantization.mode if meta.quantization.step is None else f"step {meta.quantization.step:.4g}"
    summary = f"k={data.k}, mask {meta.mask['strategy']}, {stored}, error {meta.reconstruction['rmse']:.3f}"
    say(f"{out}: {len(data):,} instances, {summary}, {kilobytes(stored_size(out))}")
