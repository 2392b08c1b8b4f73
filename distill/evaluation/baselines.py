"""What a distilled file has to beat: random real images, in its layout or coded as well as possible into its bytes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fredfmt.codec.quantizer import Step
from fredfmt.data.sources import Source
from fredfmt.distill.config import DistillConfig
from fredfmt.distill.start import encoded
from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size
from fredfmt.transforms import live_frequencies, spatial_size

RMSE = 0.4
"""The root mean square error of coded images, in standard deviations of a pixel, at which random images were worth most
per byte."""
_SHARES_KEPT = (1.0, 0.75, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)
_TRIED = 32


def own_start(data: FreDData, train: Source) -> FreDData:
    """Random real images of ``train`` in the layout of ``data``: its instances per class, masks and quantisation.

    For data that were distilled from this source these are the very images that the distillation started from, as its
    seed is in the metadata. Raises `ArgumentError` for a class with fewer images than ``data`` has instances.

    >>> from fredfmt import encode, open_source
    >>> train = open_source("digits")
    >>> few = train.sample(3, seed=9)
    >>> data = encode(few.normalized, few.labels, k=16, classes=few.classes, step=0.5)
    >>> start = own_start(data, train)
    >>> start.coefficients.shape == data.coefficients.shape, start.step
    (True, 0.5)
    """
    seed = DistillConfig.from_json(data.metadata.distillation).run.seed if data.metadata.distillation else 0
    masks = np.zeros((len(train.classes), data.k), data.frequencies.dtype)
    masks[data.hard_labels] = data.frequencies[data.mask_of]
    mode = data.metadata.quantization.mode
    step: Step = data.step if mode == "uniform" else "float16" if mode == "float16" else None
    real = equal_instances(data, train, seed=seed)
    return encoded(real, k=data.k, mask=masks, step=step, transform=data.metadata.transform)


def equal_instances(data: FreDData, train: Source, *, seed: int = 0) -> Source:
    """Whole random real images of ``train``, uncoded, as many of each class as ``data`` has instances.

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
    """Whole random real images of ``train``, uncoded, as many per class as the stored coefficients would make:
    FreD's budget, which counts neither masks nor bits.

    Raises `ArgumentError` where that is less than one image per class.
    """
    size = spatial_size(data.metadata.spatial_shape)
    stored = data.coefficients.size + (0 if data.base is None else data.base.size)
    per_class = stored // (size * data.metadata.channels * len(data.metadata.classes))
    if per_class < 1:
        raise ArgumentError(
            "the budget is less than one whole image per class, so there is no baseline of equal budget",
            expected=f"at least {size} coefficients per class and channel",
            found=round(stored / (data.metadata.channels * len(data.metadata.classes)), 1),
            hint="Leave equal-budget out",
        )
    return train.sample(per_class, seed=seed)


def coded_images(train: Source, max_bytes: int, *, seed: int = 0, transform: str = "dct") -> FreDData:
    """Random real images, as many as fit a ``.fred`` file of ``max_bytes`` at the quality that is most useful per byte.

    The rule, found on held-out parts of train splits (docs/decisions/baselines.md): one mask of the coarsest
    frequencies; of all pairs of k and step with an error of `RMSE` the one that takes the fewest bytes; with these, as
    many random images of each class as fit; last, the smallest step that still fits (and where all images of a class
    are used, the k with the least error then). Raises `ArgumentError` if not even one image per class fits.

    >>> from fredfmt import open_source
    >>> from fredfmt.storage.files import packed_size
    >>> packed_size(coded_images(open_source("digits"), 6000)) <= 6000
    True
    """
    most = int(np.bincount(train.labels, minlength=len(train.classes)).min())
    k, step = _cheapest(train.sample(min(_TRIED, most), seed=seed), transform)

    def fits(count: int) -> bool:
        data = encoded(train.sample(count, seed=seed), k=k, mask="low", step=step, transform=transform)
        return packed_size(data) <= max_bytes

    good = max(1, largest_count(fits, most))
    chosen = train.sample(good, seed=seed)
    tried = _numbers_kept(train, transform) if good == most else [k]
    coded = [encoded(chosen, k=k, mask="low", max_bytes=max_bytes, transform=transform) for k in tried]
    return min(coded, key=lambda data: float(data.metadata.reconstruction["rmse"]))


def largest_count(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to ``most`` that fits, 0 if 1 does not; what fits less fits too."""
    good, bad = 0, 1
    while bad <= most and fits(bad):
        good, bad = bad, bad * 2
    bad = min(bad, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def _cheapest(images: Source, transform: str) -> tuple[int, float]:
    """The number of frequencies, and the step, that code ``images`` with an error of `RMSE` in the fewest bytes."""
    size = spatial_size(images.spatial_shape)
    allowed = RMSE * (1.0 if images.whitening is None else float(np.std(images.normalized[:])))
    candidates = []
    for k in _numbers_kept(images, transform):
        exact = encoded(images, k=k, mask="low", step=None, transform=transform)
        left_out = exact.metadata.reconstruction["rmse"]
        if left_out < allowed:
            error = math.sqrt((allowed**2 - left_out**2) * size / k)
            data = encoded(images, k=k, mask="low", target_rmse=error, transform=transform)
            candidates.append((packed_size(data), k, data.step))
    _, k, step = min(candidates)
    return k, step


def _numbers_kept(images: Source, transform: str) -> list[int]:
    size = spatial_size(images.spatial_shape)
    live = int(live_frequencies(transform, images.spatial_shape).sum())
    return sorted({min(live, max(1, round(share * size))) for share in _SHARES_KEPT})
