"""Whether a number of bytes holds an image of each class, besides what a distilled file records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fredfmt.data.coding import encode_source
from fredfmt.data.sources import Source
from fredfmt.distill.choosing.rules import settled
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.run.record import recorded
from fredfmt.errors import BudgetError
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size

_MARGIN = 16
"""Bytes by which settings with other numbers may be larger, where an error names a number of bytes that would do."""


def check_room(max_bytes: int, train: Source, config: DistillConfig, given: Mapping[str, Any], k: int) -> None:
    """Raise `BudgetError` if the file is too large even with one image of each class and without coefficients."""
    seed = config.run.seed
    how: dict[str, Any] = {"k": k, "mask": "low", "seed": seed, **config.frequencies.transform_options}
    few = train.sample(1, seed=seed)
    coded = encode_source(few, **how)
    overhead = overhead_of(coded, settled(config, coded, train, given), train)
    try:
        encode_source(few, max_bytes=max(1, max_bytes - overhead), **how)
    except BudgetError as error:
        raise no_room(max_bytes, overhead, error.least) from error


def no_room(max_bytes: int, overhead: int, least: int | None) -> BudgetError:
    """The error of a budget of which too little is left for images; ``least`` is what these need."""
    return BudgetError(
        "too few bytes for an image of each class besides the settings of the run",
        least=None if least is None else least + overhead + _MARGIN,
        found=f"{max_bytes:,} bytes, of which the settings take {overhead}",
    )


def overhead_of(coded: FreDData, config: DistillConfig, train: Source) -> int:
    """The bytes that the settings of a distillation from ``train`` take in its file."""
    mask = {"strategy": "low", "scope": config.frequencies.mask_scope, "energy_kept_mean": 0.12345}
    described: dict[str, Any] = {"mask": mask, **recorded(config, train.provenance())}
    return max(0, packed_size(replace(coded, metadata=replace(coded.metadata, **described))) - packed_size(coded))
