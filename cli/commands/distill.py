"""`fredfmt distill`: a source of real images into a small file to train on in its place."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, logging_to, refuse_existing, say, showing_progress, to_all
from fredfmt.distill.config import DistillConfig, MaskScope, Optimizer, Precision
from fredfmt.distill.runtime.progress import Callback
from fredfmt.errors import ArgumentError
from fredfmt.model.typed import thawed

_DEFAULT = DistillConfig()


def distill(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="[SOURCE]",
            help="Real images; left out with --from: those of the file.",
            autocompletion=options.complete_source,
        ),
    ],
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="The file to write; its suffix names the container.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Repeat the run of this file, but for other options.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings from a TOML file, but for other options.")
    ] = None,
    save_config: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all settings to a TOML file.")] = None,
    objective: options.Objective = _DEFAULT.objective,
    ipc: Annotated[float, typer.Option(help="Budget: stored numbers a class, in images.")] = _DEFAULT.ipc,
    k: options.K = _DEFAULT.k,
    transform: options.Transform = _DEFAULT.transform,
    mask: options.Mask = _DEFAULT.mask,
    mask_scope: Annotated[
        MaskScope, typer.Option(help="Choose masks by the whole class or by the images the instances start from.")
    ] = _DEFAULT.mask_scope,
    step: options.Step = str(_DEFAULT.step),
    max_bytes: options.MaxBytes = None,
    bits_per_class: options.BitsPerClass = None,
    quantize_in_loop: Annotated[
        bool, typer.Option("--quantize-in-loop", help="Let the objective see rounded coefficients.")
    ] = False,
    iterations: Annotated[int, typer.Option(min=1, help="Updates of the coefficients.")] = _DEFAULT.iterations,
    optimizer: Annotated[Optimizer, typer.Option(help="Of the coefficients.")] = _DEFAULT.optimizer,
    lr: Annotated[float, typer.Option(help="Its learning rate, in the orthonormal basis.")] = _DEFAULT.lr,
    momentum: Annotated[float, typer.Option(help="Its momentum.")] = _DEFAULT.momentum,
    average: Annotated[
        float, typer.Option(help="Decay of the running mean that is stored; 0: none.")
    ] = _DEFAULT.average,
    batch_real: Annotated[int, typer.Option(min=1, help="Real images a class and update.")] = _DEFAULT.batch_real,
    outer_loop: Annotated[
        int, typer.Option(min=1, help="dc, dsa: updates an iteration, with one network.")
    ] = _DEFAULT.outer_loop,
    inner_loop: Annotated[
        int, typer.Option(min=0, help="dc, dsa: epochs of its training between two updates.")
    ] = _DEFAULT.inner_loop,
    lr_net: Annotated[float, typer.Option(help="dc, dsa: the learning rate of that.")] = _DEFAULT.lr_net,
    network: Annotated[
        str,
        typer.Option(
            help="convnet, resnet18, vgg11, alexnet, vit or package.module:factory of your own.",
            autocompletion=options.complete_network,
        ),
    ] = _DEFAULT.network.name,
    batch_syn: Annotated[
        int, typer.Option(min=0, help="frepo: instances an update; tm: instances a step; 0 for all.")
    ] = _DEFAULT.batch_syn,
    pool: Annotated[int, typer.Option(min=1, help="frepo: networks in training.")] = _DEFAULT.pool,
    pool_age: Annotated[int, typer.Option(min=1, help="frepo: steps of training of each.")] = _DEFAULT.pool_age,
    learn_labels: Annotated[bool, typer.Option("--learn-labels", help="frepo, tm: learn soft labels, too.")] = False,
    lr_labels: Annotated[float, typer.Option(help="Learning rate of soft labels.")] = _DEFAULT.lr_labels,
    base: Annotated[
        bool, typer.Option("--base", help="Store a mean spectrum a class, and instances relative to it.")
    ] = False,
    rate: Annotated[float, typer.Option(help="Weight of the bits of a coefficient in the loss.")] = _DEFAULT.rate,
    experts: Annotated[
        str, typer.Option(metavar="FOLDER", help="tm: experts that fredfmt experts has trained.")
    ] = _DEFAULT.experts,
    batch_experts: Annotated[
        int, typer.Option(min=1, help="tm: segments of trajectories an update.")
    ] = _DEFAULT.batch_experts,
    max_start_epoch: Annotated[
        int, typer.Option(min=1, help="tm: segments start after one of so many first epochs.")
    ] = _DEFAULT.max_start_epoch,
    expert_epochs: Annotated[
        int, typer.Option(min=1, help="tm: epochs of an expert in a segment.")
    ] = _DEFAULT.expert_epochs,
    syn_steps: Annotated[
        int, typer.Option(min=1, help="tm: steps on synthetic images that shall lead as far.")
    ] = _DEFAULT.syn_steps,
    lr_syn: Annotated[float, typer.Option(help="tm: learning rate of these steps at first.")] = _DEFAULT.lr_syn,
    lr_lr: Annotated[float, typer.Option(help="tm: learning rate of its logarithm.")] = _DEFAULT.lr_lr,
    width: options.Width = _DEFAULT.network.width,
    depth: options.Depth = _DEFAULT.network.depth,
    norm: options.Norm = _DEFAULT.network.norm,
    pooling: options.Pooling = _DEFAULT.network.pooling,
    augmentation: Annotated[
        str, typer.Option(help="Operations joined by _, one drawn an update; none for none.")
    ] = _DEFAULT.augmentation,
    zca: options.Zca = False,
    zca_epsilon: options.ZcaEpsilon = _DEFAULT.zca_epsilon,
    precision: Annotated[
        Precision, typer.Option(help="What networks compute in; all else is float32.")
    ] = _DEFAULT.precision,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile networks (torch.compile); not for dc, dsa.")
    ] = False,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Where the state is kept while running; beside OUT if left out.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew although there is a checkpoint.")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write loss, rate and images there, for TensorBoard.")
    ] = None,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Append what happens, and when, to a file.")] = None,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    force: options.Force = False,
) -> None:
    """Distill a data set. Ctrl-C stops cleanly; the same command goes on from the checkpoint, to the same bits.

    With --from or --config, only options that are given change the settings. Several devices or machines:
    torchrun --nproc-per-node 4 -m fredfmt distill ... --device cuda
    """
    from fredfmt.data.sources import open_source
    from fredfmt.distill.run import DistillationStopped, DivergenceError
    from fredfmt.distill.run import distill as run
    from fredfmt.distill.runtime.distributed import process_group
    from fredfmt.distill.runtime.tensorboard import TensorBoard
    from fredfmt.storage.files import packed_size, save

    before = DistillConfig()
    names: tuple[str, ...] = ()
    if from_ is not None:
        before, name, names = _run_of(from_)
        source, out = (name, Path(source)) if out is None else (source, out)
    if config is not None:
        before = DistillConfig.from_toml(config)
    if out is None:
        raise typer.BadParameter("OUT is missing", context)
    check_output(out, force)
    own = options.parse_network(network)
    wanted = options.parse_classes(classes) or names or None
    real = open_source(source, split="train", size=size, data_root=data_root, classes=wanted)
    settings = _with_options(before, context)
    if bits_per_class is not None:
        settings = replace(settings, max_bytes=options.bytes_of(bits_per_class, len(real.classes)))
    first = int(os.environ.get("RANK", "0")) == 0  # of several processes that torchrun started
    if save_config is not None and first:
        refuse_existing(save_config, force)
        save_config.write_text(settings.to_toml())
    kept = checkpoint or out.with_name(f"{out.name}.checkpoint")
    try:
        with ExitStack() as stack:
            reports: list[Callback] = []
            if tensorboard is not None and first:
                reports.append(stack.enter_context(TensorBoard(tensorboard)))
            stack.enter_context(logging_to(log if first else None))
            mine = stack.enter_context(process_group(device))
            reports.append(stack.enter_context(showing_progress(first)))
            data = run(
                real,
                settings,
                network=own,
                device=mine,
                progress=to_all(reports),
                checkpoint=kept,
                resume=not restart,
            )
    except (DistillationStopped, DivergenceError) as ended:
        if not first:
            raise typer.Exit(1) from None
        if isinstance(ended, DistillationStopped):
            unfinished = out.with_name(f"stopped-{out.name}")
            save(ended.data, unfinished)
            say(f"{unfinished}: the set as it was when stopped")
        raise
    if not first:
        return
    save(data, out)
    kept.unlink(missing_ok=True)
    say(f"{out}: {len(data):,} instances, {kilobytes(packed_size(data))}")


def _run_of(file: str) -> tuple[DistillConfig, str, tuple[str, ...]]:
    """The settings, the source and the classes of the run that made a file."""
    from fredfmt.storage.files import load

    meta = load(file).metadata
    if not meta.distillation or "name" not in meta.source:
        raise ArgumentError("not a distilled file, so there is no run to repeat", where=file)
    return DistillConfig.from_json(thawed(meta.distillation)), str(meta.source["name"]), meta.classes


def _with_options(base: DistillConfig, context: typer.Context) -> DistillConfig:
    """The settings, changed by what was said on the command line itself."""
    said = options.said(context)
    if "step" in said:
        said["step"] = options.parse_step(said["step"])
    network = {name: said[name] for name in said if name in ("width", "depth", "norm", "pooling")}
    if "network" in said:
        network["name"] = said["network"]
    known = {entry.name for entry in fields(DistillConfig)} - {"network"}
    if "compile_" in said:
        said["compile"] = said["compile_"]
    changes = {name: value for name, value in said.items() if name in known}
    return replace(base, network=replace(base.network, **network), **changes)
