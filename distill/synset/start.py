"""The start of a distillation: random real images in the layout of the result."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks import ClassStatistics, checked_k, choose_frequencies
from fredfmt.codec.spectra import Spectra
from fredfmt.data.coding import encode_source
from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.model.data import FreDData
from fredfmt.transforms import spatial_size

_log = logging.getLogger(__name__)
_NAMED = 10
"""The largest number of classes that a warning lists."""


def initial_data(source: Source, config: DistillConfig, frequencies: NDArray[Any] | None = None) -> FreDData:
    """Random real images of every class, class by class, with coefficients in float32.

    Masks are given, or chosen from all images of a class, which are read block by block, or from the drawn images only
    (``mask_scope``). Raises `ArgumentError` if no class has as many images as the budget has instances, and what
    `fredfmt.encode` raises.
    """
    chosen = chosen_images(source, config)
    settings = config.frequencies
    checked_k(settings.k, source.spatial_shape, settings.transform)
    frequencies, described = _class_masks(source if settings.mask_scope == "class" else chosen, config, frequencies)
    data = encode_source(
        chosen,
        k=settings.k,
        transform=settings.transform,
        channel_transform=config.channel_transform(source),
        mask=frequencies,
        step=None,
    )
    return replace(data, metadata=replace(data.metadata, mask=described))


def chosen_images(source: Source, config: DistillConfig) -> Source:
    """The random images of every class that instances start from, class by class."""
    return source.sample(_counts(source, config), seed=config.run.seed)


def warn_of_small_classes(source: Source, config: DistillConfig) -> None:
    """Log a warning if some classes have fewer images than the budget has instances per class."""
    wanted, there = config.instances_per_class(source.spatial_shape), source.counts
    few = np.flatnonzero(there < wanted).tolist()
    if few:
        _log.warning(
            "%d of %d classes have fewer images than the %d instances of the budget, and get one instance per image: "
            "%s",
            *(len(few), len(there), wanted, ", ".join(source.classes[label] for label in few[:_NAMED])),
        )


def _counts(source: Source, config: DistillConfig) -> int | list[int]:
    """The number of instances per class within the budget, or for each class if some have fewer images."""
    wanted, there = config.instances_per_class(source.spatial_shape), source.counts
    if (there >= wanted).all() or (there < wanted).all():
        return wanted
    return [int(count) for count in np.minimum(there, wanted)]


def gather_statistics(source: Source, transform: str) -> ClassStatistics:
    """Moments of the spectra of each class; images are read block by block."""
    shape = (len(source), source.channels, *source.spatial_shape)
    return Spectra(source.normalized, shape, transform).statistics(source.labels, len(source.classes))


def _class_masks(
    source: Source, config: DistillConfig, frequencies: NDArray[Any] | None
) -> tuple[NDArray[Any], dict[str, Any]]:
    """(class, frequency) flat indices, chosen if not given, and a description of them for the metadata."""
    settings, size = config.frequencies, spatial_size(source.spatial_shape)
    if settings.k < size:
        statistics = gather_statistics(source, settings.transform)
    else:
        statistics = ClassStatistics(len(source.classes), source.channels, size)
    if frequencies is None:
        frequencies = choose_frequencies(
            statistics,
            source.spatial_shape,
            settings.k,
            mask=settings.mask,
            transform=settings.transform,
            seed=config.run.seed,
        )
    return frequencies, {"strategy": settings.mask, "scope": settings.mask_scope, **statistics.describe(frequencies)}
