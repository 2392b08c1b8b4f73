"""Baselines for a distilled file: random real images in its layout, or coded as well as possible in the same bytes."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import torch

from fredfmt.codec.inputs import ChannelTransform
from fredfmt.codec.quantizer import Step
from fredfmt.codec.whitening import other_source
from fredfmt.data.coding import encode_in_bytes, encode_source
from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.evaluation.teacher import Teacher, train_teacher
from fredfmt.distill.synset import FrequencySynset
from fredfmt.distill.synset.start import chosen_images
from fredfmt.errors import ArgumentError, BudgetError
from fredfmt.model.data import FreDData
from fredfmt.model.typed import thawed
from fredfmt.storage.files import packed_size
from fredfmt.transforms import spatial_size

_log = logging.getLogger(__name__)
_CAUTIONS = (1.05, 1.1, 1.2, 1.4, 1.8, 2.6, 4.2, 7.4)
"""Factors of the excess size by which the next attempt is reduced. They grow, as sizes do not fall evenly: labels of
coarser images differ."""
_LEAST_TOO_LARGE = 1e-3
"""The smallest excess assumed, as a share of the budget."""


def warn_if_other_source(data: FreDData, train: Source) -> None:
    """Log a warning if the data name another source than the one that baselines are drawn from."""
    if "name" in data.metadata.source and (words := other_source(data.metadata, train)):
        _log.warning("%s; baselines are drawn from these, and their test images are normalised as the data are", words)


def own_start(data: FreDData, train: Source, *, device: torch.device | str = "cpu") -> FreDData:
    """Random real images of ``train`` in the layout of ``data``: its instances per class, masks and quantisation.

    For data that were distilled from this source these are exactly the images and labels that the distillation started
    from, as its settings are in the metadata. If the run had a budget in bytes, they are stored in the same number of
    bytes. If it had a teacher, one is trained on ``device``. Raises `ArgumentError` for a class with fewer images than
    ``data`` has instances.

    >>> from fredfmt import encode, open_source
    >>> train = open_source("digits")
    >>> few = train.sample(3, seed=9)
    >>> data = encode(few.normalized, few.labels, k=16, classes=few.classes, step=0.5)
    >>> start = own_start(data, train)
    >>> start.coefficients.shape == data.coefficients.shape, start.step
    (True, 0.5)
    """
    config = DistillConfig.from_json(thawed(data.metadata.distillation))
    train, _ = held_out(train, config)
    mode = data.metadata.quantization.mode
    step: Step = data.step if mode == "uniform" else "float16" if mode == "float16" else None
    real = _first_images(data, train, config)
    masks = np.repeat(data.frequencies[:1], len(train.classes), axis=0)
    masks[real.labels] = data.frequencies[data.mask_of]
    start = encode_source(
        real,
        k=data.k,
        transform=data.metadata.transform,
        channel_transform=data.metadata.channel_transform or "none",
        mask=masks,
        step=None,
    )
    budget = config.budget
    if config.teacher.teacher_steps:
        start = train_teacher(train, config, device=device).labelled_start(start, real.normalized, budget.step)
    synset = FrequencySynset.from_data(start)
    if budget.max_bytes is None or mode != "uniform":
        return synset.to_data(step=step)
    return synset.to_data(
        max_bytes=budget.max_bytes,
        near=budget.near,
        base=data.base is not None,
        mask=data.metadata.mask,
        distillation=data.metadata.distillation,
        recipe=data.metadata.recipe,
        reconstruction={},
    )


def _first_images(data: FreDData, train: Source, config: DistillConfig) -> Source:
    """The images that a run with a teacher started from, as its soft labels may not identify the classes; otherwise as
    many of each class as there are instances."""
    if config.teacher.teacher_steps and len(first := chosen_images(train, config)) == len(data):
        return first
    return equal_instances(data, train, seed=config.run.seed)


def equal_instances(data: FreDData, train: Source, *, seed: int = 0) -> Source:
    """Random real images of ``train``, not coded, as many of each class as ``data`` has instances.

    Raises `ArgumentError` for a class with fewer images than that.
    """
    labels = data.hard_labels
    chosen = train.sample(np.bincount(labels, minlength=len(train.classes)).tolist(), seed=seed)
    rows = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        rows[places] = np.flatnonzero(chosen.labels == label)[: len(places)]
    return chosen.subset(rows)


def equal_budget(data: FreDData, train: Source, *, seed: int = 0) -> Source:
    """Random real images of ``train``, not coded, with the same number of values as the stored coefficients: FreD's
    budget, which counts neither masks nor bits.

    Raises `ArgumentError` if that is less than one image per class.
    """
    size = spatial_size(data.metadata.spatial_shape)
    stored = data.coefficients.size + (0 if data.base is None else data.base.size)
    per_class = stored // (size * data.metadata.channels * len(data.metadata.classes))
    if per_class < 1:
        raise ArgumentError(
            "the budget is less than one whole image per class, so there is no baseline of equal budget",
            expected=f"at least {size} coefficients per class and channel",
            found=round(stored / (data.metadata.channels * len(data.metadata.classes)), 1),
            hint="Omit equal-budget",
        )
    return train.sample(per_class, seed=seed)


def coded_images(
    train: Source,
    max_bytes: int,
    *,
    seed: int = 0,
    transform: str = "dct",
    channel_transform: ChannelTransform = "auto",
    teacher: Teacher | None = None,
    at_most: int | None = None,
    most_coefficients: int | None = None,
    k: int | None = None,
    near: float | None = None,
) -> FreDData:
    """Random real images, as many as fit into ``max_bytes`` at the quality with the highest accuracy per byte.

    The rule, found on held-out parts of train splits (docs/decisions/baselines.md): one mask of the coarsest
    frequencies; of all pairs of k and step with an error of `fredfmt.data.coding.best_error` the one that takes the
    fewest bytes; with these, as many random images of each class as fit, but no more than ``at_most``; also the k with
    the smallest error if there is more room than for ``at_most`` images; and no more than ``most_coefficients`` of all
    images. A given ``k`` or step, ``near``, is kept. So far error and bits decide how coefficients are rounded. They
    are stored rounded to the nearest multiple of a step, the smallest that fits. With a ``teacher`` the labels are its
    predictions for the images, as multiples of 1/16. Their bytes count, so there are fewer images. Raises `BudgetError`
    if not even one image per class fits.

    >>> from fredfmt import open_source
    >>> from fredfmt.storage.files import packed_size
    >>> packed_size(coded_images(open_source("digits").sample(4), 2500)) <= 2500
    True
    """
    how: dict[str, Any] = {"mask": "low", "seed": seed, "k": k, "near": near}
    how |= {"transform": transform, "channel_transform": channel_transform}
    how |= {"at_most": len(train) if at_most is None else at_most, "most_coefficients": most_coefficients}
    allowed, least = max_bytes, None
    for tries, caution in enumerate(_CAUTIONS):
        try:
            coded = encode_in_bytes(train, max(1, allowed), **how)
        except BudgetError as error:
            if not tries:
                raise
            least = None if error.least is None else max_bytes + error.least - allowed
            break
        if teacher is None:
            return coded
        counts = np.bincount(coded.hard_labels, minlength=len(train.classes)).tolist()
        originals = train if len(coded) == len(train) else train.sample(counts, seed=seed)
        coded = teacher.labelled(coded, originals.normalized)
        size = packed_size(coded)
        if size <= max_bytes:
            return coded
        allowed -= math.ceil(caution * max(size - max_bytes, _LEAST_TOO_LARGE * max_bytes))
        if tries:  # the number of images is nearly right: only the step changes now
            how |= {"per_class": counts, "k": coded.k}
    raise BudgetError(
        "soft labels leave no room for images", least=least, found=f"{max_bytes:,} bytes", hint="Or use hard labels"
    )
