"""`fredfmt distill`: distils real images into a small file for training."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from fredfmt.cli import options
from fredfmt.cli.console import check_output, kilobytes, logging_to, refuse_existing, say, showing_progress, to_all
from fredfmt.cli.settings import asking, given_settings, network_options
from fredfmt.codec.masks import checked_k
from fredfmt.data.sources import open_source
from fredfmt.distill.choosing import choose, chosen_by_default
from fredfmt.distill.config import DistillConfig, check_same_images, run_of
from fredfmt.distill.distilling import DistillationStopped, duration
from fredfmt.distill.distilling import distill as run
from fredfmt.distill.objectives import OBJECTIVES, load_objective
from fredfmt.distill.run import DivergenceError
from fredfmt.distill.runtime.distributed import is_first, process_group
from fredfmt.distill.runtime.progress import Callback
from fredfmt.distill.runtime.tensorboard import TensorBoard
from fredfmt.distill.settings.groups import GROUPS
from fredfmt.distill.settings.layout import Effort, Labels
from fredfmt.errors import ArgumentError
from fredfmt.storage.files import load, save
from fredfmt.storage.ledger import bytes_of, stored_size

_PANELS = {
    "Budget": GROUPS["budget"].options(),
    "Frequencies": GROUPS["frequencies"].options(),
    "Objective": {"objective": OBJECTIVES.option()},
    **{f"Objective {', '.join(owners)}": settings for owners, settings in OBJECTIVES.options().items()},
    "Optimizer": GROUPS["optimization"].options(),
    "Network": network_options(),
    "Run": GROUPS["run"].options(),
    "Teacher": GROUPS["teacher"].options(),
}


@asking(_PANELS)
def distill(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="Real images; may be omitted with --from, for those of its file.",
            autocompletion=options.complete_source,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="The file to write; its suffix names the container.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Repeat the run of this file, with the given options changed."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings from a TOML file, with the given options changed.")
    ] = None,
    save_config: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all settings to a TOML file.")] = None,
    bits_per_class: options.BitsPerClass = None,
    effort: Annotated[
        Effort, typer.Option(help="Length of the trials and the run if settings are chosen automatically.")
    ] = "default",
    labels: Annotated[
        Labels | None,
        typer.Option(
            help="Hard labels, or soft labels of a teacher, which are also learned; by default chosen by trial."
        ),
    ] = None,
    device: options.Device = "cpu",
    checkpoint: Annotated[
        Path | None, typer.Option(help="File for the state of the run; by default in the folder of OUT.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again even if there is a checkpoint.")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for loss, rate and images, for TensorBoard.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append log messages with their times to a file.")
    ] = None,
    size: options.Size = None,
    classes: options.Classes = None,
    data_root: options.DataRoot = None,
    force: options.Force = False,
    **_: Any,
) -> None:
    """Distill a dataset. Ctrl-C stops cleanly; the same command resumes, and the result is bit-identical.

    With --bytes or --bits-per-class, all settings that are not given are chosen automatically for this number of bytes.
    Without these, and without --ipc, --k and --step, they are chosen for the bytes of one float32 image per class. The
    defaults shown below apply if --ipc, --k or --step is given without a budget in bytes. With --from or --config,
    settings change only if their options are given. Several devices or machines: torchrun --nproc-per-node 4 -m fredfmt
    distill ... --device cuda
    """
    if from_ is not None and source is not None and out is None:
        out, source = Path(source), None
    if out is None:
        raise typer.BadParameter("OUT is missing" if source or from_ else "SOURCE and OUT are missing", context)
    before, name = DistillConfig(), source or ""
    names: tuple[str, ...] = ()
    if from_ is not None:
        recorded = load(from_).metadata
        before, named, names = run_of(recorded, from_)
        name = source or named
    if config is not None:
        before = DistillConfig.from_toml(config)
    check_output(out, force)
    objective: dict[str, Any] = {}
    if chosen := options.given_options(context).get("objective"):
        objective["objective"] = load_objective(chosen) if ":" in chosen else chosen
    before = before.replace(**objective)
    changes = given_settings(context, {**_PANELS, "Objective": before.objective_settings.options()}) | objective
    options.check_one_budget(changes, bits_per_class)
    own = options.parse_network(changes.get("network", ""))
    settings = before.replace(**changes)
    given = {"max_bytes" if name == "bits_per_class" else name for name in options.given_options(context)}
    new = from_ is None and config is None
    chooses = new and chosen_by_default(given)
    if not chooses and {"effort", "labels"} & given:
        raise ArgumentError(
            "--effort and --labels are for the automatic choice of settings",
            hint="Give --bytes or --bits-per-class, and neither --from nor --config",
        )
    wanted = options.parse_classes(classes) or names or None
    frequencies = settings.frequencies
    real = open_source(
        name,
        split="train",
        size=size,
        data_root=data_root,
        classes=wanted,
        check=lambda spatial_shape: None if chooses else checked_k(frequencies.k, spatial_shape, frequencies.transform),
    )
    if from_ is not None and source is None and size is None:
        check_same_images(recorded, real, from_)
    if new and "depth" not in changes:
        settings = settings.replace(network=settings.network.fitting(real.spatial_shape))
    if bits_per_class is not None:
        changes["max_bytes"] = bytes_of(bits_per_class, len(real.classes))
        settings = settings.replace(max_bytes=changes["max_bytes"])
    first = is_first()
    if save_config is not None and first:
        refuse_existing(save_config, force)
    kept = checkpoint or out.with_name(f"{out.name}.checkpoint")
    try:
        with ExitStack() as stack:
            reports: list[Callback] = []
            if tensorboard is not None and first:
                reports.append(stack.enter_context(TensorBoard(tensorboard)))
            stack.enter_context(logging_to(log if first else None))
            mine = stack.enter_context(process_group(device))
            reports.append(stack.enter_context(showing_progress(first)))
            if chooses:
                found = choose(
                    real,
                    effort=effort,
                    labels=labels,
                    device=mine,
                    progress=to_all(reports),
                    factory=own,
                    checkpoint=None if restart else kept,
                    announce=say,
                    **changes,
                )
                settings = found.config
                if found.reasons:  # on all processes, which work together on each iteration
                    length = duration(real, settings, mine, own)
                    if first:
                        say("\n".join([*found.reasons, length]))
            if save_config is not None and first:
                save_config.write_text(settings.to_toml())
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
            say(f"{unfinished}: the data at the time of the interruption")
        raise
    if not first:
        return
    save(data, out)
    kept.unlink(missing_ok=True)
    say(f"{out}: {len(data):,} instances, {kilobytes(stored_size(out))}")
