"""The possible choices of k, step and number of instances within a budget, before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fredfmt.codec.inputs import ChannelTransform
from fredfmt.codec.masks import ClassStatistics, checked_k, choose_frequencies
from fredfmt.codec.quantizer import Step
from fredfmt.data.coding import encode_source, largest_count
from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.run.record import recorded
from fredfmt.distill.runtime.progress import Callback, Progress
from fredfmt.distill.settings.groups import whole_instances
from fredfmt.distill.synset.start import gather_statistics
from fredfmt.errors import ArgumentError, BudgetError
from fredfmt.model.arguments import integer_of, positive_of, several_of
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size
from fredfmt.transforms import live_frequencies, spatial_size

SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""The values of k that are tried, as shares of all frequencies."""
STEPS: tuple[Step, ...] = (None, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Choice:
    """One choice within a budget.

    Bytes are those of the file at the start of the run, with real images. Learned coefficients are larger and need up
    to a fifth more bytes, except in float32.

    >>> from fredfmt import open_source
    >>> choice, = plan(open_source("digits"), max_bytes=4000, ks=[16], steps=[0.5])
    >>> choice.bytes <= 4000, choice.ipc == choice.instances_per_class * 16 / 64
    (True, True)
    """

    k: int
    step: Step
    instances_per_class: int
    ipc: float
    """Stored coefficients per class and channel, in units of whole images (FreD's budget)."""
    bytes: int
    """Size of the ``.fred`` file."""
    rmse: float
    """Root mean square error of real images stored in this way, in normalised units."""

    def to_json(self) -> dict[str, Any]:
        """The choice as JSON values."""
        return asdict(self)


def plan(
    source: Source,
    *,
    max_bytes: int | None = None,
    ipc: float | None = None,
    transform: str = "dct",
    channel_transform: ChannelTransform = "auto",
    mask: str | None = None,
    ks: Sequence[int] | None = None,
    steps: Sequence[Step] = STEPS,
    seed: int = 0,
    progress: Callback | None = None,
) -> tuple[Choice, ...]:
    """The possible choices within a budget, by k and step: as many instances as fit into ``max_bytes``, or ``ipc``
    allows.

    Masks are those of the highest explained variance (``evr``), or the lowest frequencies if a class has no variance.
    Sizes and errors are measured on random real images, so they are exact for the start of a distillation. Choices
    without a single instance are omitted. Raises `ArgumentError` unless exactly one budget is given, and if no choice
    is possible.

    >>> from fredfmt import open_source
    >>> choices = plan(open_source("digits"), ipc=1, ks=[16, 32], steps=[0.5])
    >>> [(choice.k, choice.instances_per_class) for choice in choices]
    [(16, 4), (32, 2)]
    """
    if (max_bytes is None) == (ipc is None):
        raise ArgumentError("a plan needs one budget", expected="max_bytes or ipc")
    if max_bytes is not None:
        max_bytes = integer_of("max_bytes", max_bytes, least=1)
    budget = 1.0 if ipc is None else positive_of("ipc", ipc)
    size = spatial_size(source.spatial_shape)
    statistics = gather_statistics(source, transform)
    mask = mask or ("evr" if _varies(statistics) else "low")
    most = int(source.counts.min())
    choices: list[Choice] = []
    live = int(live_frequencies(transform, source.spatial_shape).sum())
    given = () if ks is None else several_of("ks", ks)
    given = given or tuple(min(live, max(1, round(share * size))) for share in SHARES)
    tried = sorted({checked_k(k, source.spatial_shape, transform) for k in given})
    steps = several_of("steps", steps)
    for number, k in enumerate(tried):
        frequencies = choose_frequencies(statistics, source.spatial_shape, k, mask=mask, transform=transform, seed=seed)
        for place, step in enumerate(steps):
            if progress is not None:
                progress(Progress(f"k={k}", number * len(steps) + place, len(tried) * len(steps)))
            stored: dict[str, Any] = {"transform": transform, "channel_transform": channel_transform, "step": step}
            layout: dict[str, Any] = {"k": k, "mask": frequencies, **stored}
            config = DistillConfig(ipc=budget, k=k, mask=mask, seed=seed, **stored)
            metadata = {
                "mask": {"strategy": mask, "scope": config.frequencies.mask_scope, **statistics.describe(frequencies)},
                **recorded(config, source.provenance()),
            }
            if max_bytes is None:
                count = min(whole_instances(budget, k, size), most)
            else:
                count = _most_that_fit(source, layout, metadata, max_bytes, most, seed)
            if count:
                data = encode_source(source.sample(count, seed=seed), **layout)
                rmse = float(data.metadata.reconstruction["rmse"])
                choices.append(Choice(k, step, count, round(count * k / size, 4), _file_size(data, metadata), rmse))
    if not choices:
        raise BudgetError(
            "the budget is too small for one instance per class in any layout",
            found=f"ipc={budget:g}" if max_bytes is None else f"{max_bytes:,} bytes",
            hint="Allow more, or use a smaller k or a larger step",
        )
    return tuple(choices)


def _varies(statistics: ClassStatistics) -> bool:
    """Whether the images of every class differ."""
    return all(bool((part.variance.sum(axis=(1, 2)) > 0).all()) for part in statistics.parts())


def _most_that_fit(
    source: Source, layout: dict[str, Any], metadata: dict[str, Any], max_bytes: int, most: int, seed: int
) -> int:
    def fits(count: int) -> bool:
        return _file_size(encode_source(source.sample(count, seed=seed), **layout), metadata) <= max_bytes

    return largest_count(fits, most)


def _file_size(data: FreDData, metadata: dict[str, Any]) -> int:
    """Bytes of the ``.fred`` file with this metadata, as a distillation writes it."""
    return packed_size(replace(data, metadata=replace(data.metadata, **metadata)))
