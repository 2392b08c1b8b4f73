"""`difference`: compares two datasets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FredError
from fredfmt.model.data import FreDData
from fredfmt.model.digest import digest_of_data
from fredfmt.model.distillation import complete
from fredfmt.storage.files import packed_size
from fredfmt.view.pictures import pictures

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class Masks:
    """The agreement of two sets of masks."""

    equal: int
    """Masks that keep the same frequencies."""
    count: int
    """Masks compared."""
    overlap: float
    """Mean over masks of the frequencies that both keep, as a share of those that either keeps (Jaccard index)."""
    least: float
    """The smallest of these shares."""


@dataclass(frozen=True)
class Labels:
    """The agreement of two sets of labels, by instance."""

    changed: int
    """Instances whose class, or most probable class, differs."""
    distance: float
    """Mean total variation distance of the probabilities: 0 for equal labels, at most 1."""


@dataclass(frozen=True)
class Values:
    """Errors between two arrays of numbers."""

    rmse: float
    largest: float
    instances: int
    """Instances with any difference."""
    psnr: float | None = None
    """In decibels, for images in 0..1; None for equal images and for coefficients."""


@dataclass(frozen=True)
class Difference:
    """The differences between two datasets. A part is None if it cannot be compared; `reasons` says why."""

    digests: tuple[str, str]
    settings: Mapping[str, tuple[Any, Any]]
    """Facts and metadata that differ, by path; None if one of the two has no such entry."""
    bytes: tuple[int, int]
    """Sizes of the two as ``.fred`` files."""
    masks: Masks | None
    labels: Labels | None
    coefficients: Values | None
    """In orthonormal units, including the base."""
    images: Values | None
    """Decoded, in 0..1."""
    reasons: Mapping[str, str]
    """For each part that is None, the reason."""

    @property
    def same(self) -> bool:
        """Whether the two are the same data: equal content digests. Provenance and results may still differ."""
        return self.digests[0] == self.digests[1]

    def to_json(self) -> dict[str, Any]:
        """The differences as JSON values."""
        return {"same": self.same, **asdict(self)}


def difference(a: FreDData, b: FreDData) -> Difference:
    """Compare two datasets instance by instance, in their order.

    Decoded images are compared even if transforms and masks differ; coefficients only if masks are equal.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fine, coarse = (fredfmt.encode(images, [0, 0, 1, 1], k=20, step=step) for step in (0.01, 0.5))
    >>> found = difference(fine, coarse)
    >>> found.same, found.masks.equal, found.images.rmse < 0.2
    (False, 2, True)
    """
    reasons: dict[str, str] = {}
    grid = _unequal(_grid(a), _grid(b))
    images = _unequal(_images(a), _images(b))
    masks = labels = coefficients = pixels = None
    if grid or len(a.frequencies) != len(b.frequencies):
        reasons["masks"] = grid or f"{len(a.frequencies)} and {len(b.frequencies)} masks"
    else:
        masks = _masks(a, b)
    if len(a) != len(b) or a.metadata.classes != b.metadata.classes:
        reasons["labels"] = _unequal(_labels(a), _labels(b))
    else:
        labels = _compare_labels(a, b)
    if images:
        reasons["images"] = images
    else:
        pixels = _compare(a, b, _decoded, peak=True)
    if images or grid:
        reasons["coefficients"] = images or grid
    elif not np.array_equal(a.frequencies[a.mask_of], b.frequencies[b.mask_of]):
        reasons["coefficients"] = "the masks differ"
    else:
        coefficients = _compare(a, b, FreDData.spectra)
    return Difference(
        digests=(digest_of_data(a), digest_of_data(b)),
        settings=_settings(a, b),
        bytes=(packed_size(a), packed_size(b)),
        masks=masks,
        labels=labels,
        coefficients=coefficients,
        images=pixels,
        reasons=reasons,
    )


def _grid(data: FreDData) -> dict[str, Any]:
    meta = data.metadata
    return {"transform": meta.transform, "channel transform": meta.channel_transform, "spatial shape": _shape(data)}


def _shape(data: FreDData) -> tuple[int, ...]:
    return data.metadata.spatial_shape


def _images(data: FreDData) -> dict[str, Any]:
    return {"instances": len(data), "channels": data.metadata.channels, "spatial shape": _shape(data)}


def _labels(data: FreDData) -> dict[str, Any]:
    return {"instances": len(data), "classes": data.metadata.classes}


def _unequal(a: dict[str, Any], b: dict[str, Any]) -> str:
    """The first entry that differs, in words; empty if there is none."""
    for name, value in a.items():
        if value != b[name]:
            shown = [" x ".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in (value, b[name])]
            return f"{name} {shown[0]} and {shown[1]}" if name != "classes" else "different classes"
    return ""


def _masks(a: FreDData, b: FreDData) -> Masks:
    shares = []
    for mine, theirs in zip(a.frequencies, b.frequencies, strict=True):
        common = len(np.intersect1d(mine, theirs))
        shares.append(common / (len(mine) + len(theirs) - common))
    return Masks(sum(share == 1 for share in shares), len(shares), float(np.mean(shares)), min(shares))


def _compare_labels(a: FreDData, b: FreDData) -> Labels:
    mine, theirs = (
        data.labels.astype(np.float64) if data.soft else np.eye(len(data.metadata.classes))[data.labels]
        for data in (a, b)
    )
    changed = int((a.hard_labels != b.hard_labels).sum())
    return Labels(changed, float(np.abs(mine - theirs).sum(axis=1).mean() / 2))


def _decoded(data: FreDData, rows: NDArray[Any]) -> NDArray[Any]:
    return pictures(data, rows, normalized=data.metadata.whitening is not None)


def _compare(a: FreDData, b: FreDData, numbers: Any, *, peak: bool = False) -> Values:
    """The differences of the values that ``numbers`` computes for blocks of instances."""
    values = math.prod(_shape(a)) * a.metadata.channels
    rows = max(1, _BLOCK_VALUES // values)
    squares, largest, changed, count = 0.0, 0.0, 0, 0
    for start in range(0, len(a), rows):
        block = np.arange(start, min(len(a), start + rows))
        apart = np.abs(numbers(a, block) - numbers(b, block)).reshape(len(block), -1)
        squares += float(np.square(apart).sum())
        largest = max(largest, float(apart.max()))
        changed += int(apart.any(axis=1).sum())
        count += apart.size
    rmse = math.sqrt(squares / count)
    return Values(rmse, largest, changed, -20 * math.log10(rmse) if peak and rmse else None)


def _settings(a: FreDData, b: FreDData) -> dict[str, tuple[Any, Any]]:
    distilled = bool(a.metadata.distillation and b.metadata.distillation)
    mine, theirs = (dict(_facts(data, restored=distilled)) for data in (a, b))
    names = [*mine, *(name for name in theirs if name not in mine)]
    return {name: (mine.get(name), theirs.get(name)) for name in names if mine.get(name) != theirs.get(name)}


def _facts(data: FreDData, *, restored: bool) -> Iterator[tuple[str, Any]]:
    """Facts and metadata by path; ``restored``: with the settings of a distillation that are defaults, too."""
    yield "instances", len(data)
    yield "k", data.k
    yield "labels", "soft" if data.soft else "hard"
    yield "masks", len(data.frequencies)
    yield "base", data.base is not None
    document = data.metadata.to_json()
    if restored:
        with suppress(FredError):  # settings of another version are compared as they are
            document = {**document, "distillation": complete(document["distillation"])}
    yield from _leaves("", document)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, part)
    else:
        yield path, value
