"""`fredfmt encode`: real images into a file, without distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, say, showing_progress
from fredfmt.codec.masks import check_choice
from fredfmt.data.coding import best_mask, encode_in_bytes, encode_source, error_of_mask
from fredfmt.data.sources import ZCA, Source, open_source
from fredfmt.distill.runtime.progress import Progress
from fredfmt.errors import ArgumentError
from fredfmt.storage.files import save
from fredfmt.storage.ledger import stored_size

_POOR = 1.1
"""A mask is poor whose error is more than so many times that of the best one."""


def encode(
    source: options.Source,
    out: options.Out,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="Frequencies kept of each image; chosen if only --bytes is given.")
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option("--bytes", "--max-bytes", min=1, help="Size of the file: what is not given is chosen to fit it."),
    ] = None,
    transform: options.Transform = "dct",
    mask: Annotated[
        str | None,
        typer.Option(
            help="evr, fisher, amplitude, low, high or random; if left out, the one of low and amplitude with the least"
            " error.",
            autocompletion=options.completing("fredfmt.codec.masks", "MASKS"),
        ),
    ] = None,
    step: Annotated[
        str | None, typer.Option(help="Quantisation step, or float16 or float32 for none; 0.5 if it is not searched.")
    ] = None,
    target_rmse: Annotated[
        float | None, typer.Option(help="Search the step for this error of the coefficients.")
    ] = None,
    per_class: Annotated[
        int | None,
        typer.Option(min=1, help="Random images per class; if left out all, or with --bytes and no --k what is best."),
    ] = None,
    base: Annotated[bool, typer.Option("--base", help="Store class means apart from the instances.")] = False,
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
    zca: options.Zca = False,
    zca_epsilon: options.ZcaEpsilon = 0.1,
    name: Annotated[str | None, typer.Option(help="Name of the source in the file.")] = None,
    license: Annotated[
        str | None, typer.Option(metavar="SPDX", help="Licence of the images, such as CC-BY-4.0.")
    ] = None,
    seed: options.Seed = 0,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    codec: options.Codec = None,
    force: options.Force = False,
) -> None:
    """Encode real images, without distillation: as many as are asked for, or as well as they fit into --bytes."""
    if k is None and max_bytes is None:
        raise typer.BadParameter("nothing says how small: give --k, --bytes or both, such as --bytes 100000")
    if max_bytes is not None and (step, target_rmse) != (None, None):
        raise ArgumentError("--bytes finds the step itself", hint="Leave out --step and --target-rmse, or --bytes")
    chosen_step = options.parse_step(step or "0.5")
    check_output(out, force)
    wanted = options.parse_classes(classes)

    def opened(split: str) -> Source:
        return open_source(
            source,
            split=split,
            size=size,
            data_root=data_root,
            classes=wanted,
            check=lambda spatial_shape: check_choice(mask or "low", k or 1, spatial_shape, transform),
        )

    real = opened(split)
    if zca:
        real = real.whitened(ZCA.fit(real if split == "train" else opened("train"), zca_epsilon))
    real = replace(real, name=name or real.name, license=license or real.license)
    how: dict[str, Any] = {"transform": transform, "seed": seed}
    with showing_progress() as show:

        def report(task: str, done: int, total: int) -> None:
            show(Progress(task, done, total))

        if max_bytes is not None:
            data = encode_in_bytes(
                real, max_bytes, k=k, mask=mask, per_class=per_class, base=base, report=report, **how
            )
        elif k is not None:
            chosen = real if per_class is None else real.sample(per_class, seed=seed)
            data = encode_source(
                chosen,
                k=k,
                mask=mask or best_mask(chosen, k, **how),
                step=chosen_step,
                target_rmse=target_rmse,
                base=base,
                report=report,
                **how,
            )
    save(data, out, codec=codec)
    if mask is not None:
        _warn_of_a_poor_mask(real, data.k, mask, how)
    meta = data.metadata
    stored = meta.quantization.mode if meta.quantization.step is None else f"step {meta.quantization.step:.4g}"
    told = f"k={data.k}, mask {meta.mask['strategy']}, {stored}, error {meta.reconstruction['rmse']:.3f}"
    say(f"{out}: {len(data):,} instances, {told}, {kilobytes(stored_size(out))}")


def _warn_of_a_poor_mask(source: Source, k: int, mask: str, how: dict[str, Any]) -> None:
    better = best_mask(source, k, **how)
    found, least = (error_of_mask(source, k, each, **how) for each in (mask, better))
    if found > _POOR * least:
        say(f"{mask} leaves an error of {found:.3f}, {better} one of {least:.3f}: without --mask the best is taken")
