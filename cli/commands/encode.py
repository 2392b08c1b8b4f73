"""`fredfmt encode`: real images into a file, without distillation."""

from __future__ import annotations

from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, say


def encode(
    source: options.Source,
    out: options.Out,
    k: options.K,
    transform: options.Transform = "dct",
    mask: options.Mask = "evr",
    step: options.Step = "0.5",
    target_rmse: Annotated[
        float | None, typer.Option(help="Search the step for this error of the coefficients.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option("--bytes", "--max-bytes", help="Search the step for a file of at most this size.")
    ] = None,
    per_class: Annotated[int | None, typer.Option(min=1, help="Take this many random images per class.")] = None,
    base: Annotated[bool, typer.Option("--base", help="Store class means apart from the instances.")] = False,
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
    zca: options.Zca = False,
    zca_epsilon: options.ZcaEpsilon = 0.1,
    seed: options.Seed = 0,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    force: options.Force = False,
) -> None:
    """Encode real images: keep the best K frequencies of each and quantise them."""
    from fredfmt.codec.encoder import encode as make
    from fredfmt.codec.masks import check_choice
    from fredfmt.data.sources import ZCA, Source, open_source
    from fredfmt.storage.files import save
    from fredfmt.storage.ledger import stored_size

    check_output(out, force)
    wanted = options.parse_classes(classes)

    def opened(split: str) -> Source:
        return open_source(
            source,
            split=split,
            size=size,
            data_root=data_root,
            classes=wanted,
            check=lambda spatial_shape: check_choice(mask, k, spatial_shape, transform),
        )

    real = opened(split)
    if zca:
        real = real.whitened(ZCA.fit(real if split == "train" else opened("train"), zca_epsilon))
    if per_class is not None:
        real = real.sample(per_class, seed=seed)
    data = make(
        real.normalized,
        real.labels,
        channels=real.channels,
        k=k,
        transform=transform,
        mask=mask,
        step=options.parse_step(step),
        target_rmse=target_rmse,
        max_bytes=max_bytes,
        base=base,
        seed=seed,
        normalization=real.normalization,
        classes=real.classes,
        source=real.provenance(),
        license=real.license,
        citation=real.citation,
        whitening=real.whitening.record if real.whitening else None,
    )
    save(data, out)
    say(f"{out}: {len(data):,} instances, {kilobytes(stored_size(out))}")
