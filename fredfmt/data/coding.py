"""Encodes the images of a source with given settings, or with those that have the least error in a number of bytes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fredfmt.codec.encoder import encode
from fredfmt.codec.masks import WITHOUT_STATISTICS
from fredfmt.codec.spectra import Rows
from fredfmt.data.sources import Source
from fredfmt.errors import ArgumentError
from fredfmt.model.arguments import integer_of
from fredfmt.model.data import FreDData
from fredfmt.storage.files import packed_size
from fredfmt.transforms import live_frequencies, spatial_size

Report: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of the task, the number of steps done, and their total."""

_RMSE, _RMSE_OF_LARGE, _LARGE = 0.4, 0.45, 48 * 48
"""The root mean square error of coded images, in normalised units, at which random images gave the highest accuracy for
their bytes; that of images with more pixels than the last number (docs/decisions/baselines.md)."""
MASKS = ("low", "amplitude")
"""Mask strategies that are tried if none is given: the two with the least error (docs/decisions/masks.md)."""
_POOR = 1.1
"""A warning is given for a mask whose error is more than this many times that of the best one."""
_CLOSE = 1.01
"""The largest error, in units of `best_error`, that counts as that error."""
_SHARES_KEPT = (1.0, 0.75, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)
_TRIED = 32
"""Images per class with which k and masks are tried;"""
_TRIED_VALUES = 4_000_000
"""fewer if together they would have more values than this."""


def encode_source(source: Source, *, report: Report | None = None, **options: Any) -> FreDData:
    """Encode all images of a source with `fredfmt.encode` and its ``options``, and record the source.

    ``report`` is called with the number of images read. Each is read once to keep its coefficients, and once before
    that if masks are computed from the images.

    >>> from fredfmt import open_source
    >>> from fredfmt.data.coding import encode_source
    >>> encode_source(open_source("digits").sample(2), k=16).metadata.license
    'CC-BY-4.0'
    """
    description: dict[str, Any] = {
        "channels": source.channels,
        "normalization": source.normalization,
        "classes": source.classes,
        "source": source.provenance(),
        "license": source.license,
        "citation": source.citation,
        "whitening": source.whitening.record if source.whitening else None,
    }
    mask = options.get("mask", "evr")
    passes = 2 if isinstance(mask, str) and mask not in WITHOUT_STATISTICS else 1
    rows = source.normalized if report is None else _Watched(source.normalized, passes, report)
    return encode(rows, source.labels, **description | options)


class _Watched:
    """Images that report how many of their rows were read, over ``passes`` passes."""

    def __init__(self, rows: Rows, passes: int, report: Report) -> None:
        self.shape = rows.shape
        self._rows, self._report, self._total = rows, report, passes * int(rows.shape[0])
        self._done = 0

    def __getitem__(self, rows: slice, /) -> Any:
        found = self._rows[rows]
        self._done += len(found)
        self._report("images", self._done, self._total)
        return found


def best_mask(source: Source, k: int, *, transform: str = "dct", seed: int = 0) -> str:
    """The strategy of `MASKS` with the least error for ``k`` frequencies, measured on a few random images of each
    class. For equal errors it is ``low``, whose masks take fewer bytes.

    >>> from fredfmt import open_source
    >>> from fredfmt.data.coding import best_mask
    >>> best_mask(open_source("digits"), 8)
    'amplitude'
    """
    few = _few(source, seed)
    return min(_possible(few), key=lambda mask: _left_out(few, k, mask, transform))


def mask_warnings(source: Source, k: int, mask: str, *, transform: str = "dct", seed: int = 0) -> tuple[str, ...]:
    """A warning if a mask has a much larger error than the best one of `MASKS`, measured on a few random images of each
    class. Errors are root mean squares in normalised units, without quantisation.

    >>> from fredfmt import open_source
    >>> from fredfmt.data.coding import mask_warnings
    >>> mask_warnings(open_source("digits"), 8, "high")
    ('high has an error of 0.994, amplitude only 0.557; without a given mask, the best one is used',)
    """
    few = _few(source, seed)
    better = best_mask(source, k, transform=transform, seed=seed)
    found, least = (_left_out(few, k, strategy, transform) for strategy in (mask, better))
    if found <= _POOR * least:
        return ()
    return (
        f"{mask} has an error of {found:.3f}, {better} only {least:.3f}; without a given mask, the best one is used",
    )


def encode_with_k(
    source: Source,
    k: int,
    *,
    per_class: int | None = None,
    mask: str | None = None,
    transform: str = "dct",
    seed: int = 0,
    report: Report | None = None,
    **options: Any,
) -> FreDData:
    """Encode images of a source with ``k`` frequencies each.

    ``per_class`` is the number of random images of every class; None: all images. ``mask`` is None for the better
    strategy of `MASKS`. The seed also selects the images; ``report`` and ``options`` are as in `encode_source`.

    >>> from fredfmt import open_source
    >>> from fredfmt.data.coding import encode_with_k
    >>> data = encode_with_k(open_source("digits"), 8, per_class=3)
    >>> len(data), data.metadata.mask["strategy"]
    (30, 'amplitude')
    """
    chosen = source if per_class is None else source.sample(per_class, seed=seed)
    mask = mask or best_mask(chosen, k, transform=transform, seed=seed)
    return encode_source(chosen, report=report, k=k, mask=mask, transform=transform, seed=seed, **options)


def encode_in_bytes(
    source: Source,
    max_bytes: int,
    *,
    per_class: int | Sequence[int] | None = None,
    at_most: int | None = None,
    most_coefficients: int | None = None,
    k: int | None = None,
    near: float | None = None,
    mask: str | None = None,
    transform: str = "dct",
    seed: int = 0,
    report: Report | None = None,
    **options: Any,
) -> FreDData:
    """Encode images of a source for a ``.fred`` file of at most ``max_bytes``, as a training set.

    Parameters
    ----------
    source
        The source of the images.
    max_bytes
        The largest size of the whole file in bytes.
    per_class
        The number of random images of every class, or one number for each. None with ``k`` and without ``at_most``: all
        images. None otherwise: as many as fit with the k and the step that reach `best_error` in the fewest
        bytes.
    at_most
        The largest number of images per class, where it is chosen.
    most_coefficients
        The largest number of coefficients of all images, where k or the number of images is chosen; but there are one
        image per class and the smallest k that is tried.
    near
        The step with which the number of images is chosen, by default one of the pair above; it need not be that of the
        result.
    k, mask
        Chosen if None: first the k with the least error in these bytes, among several and with the ``low`` mask, then
        the better mask strategy of `MASKS`. The step is always the smallest that fits.
    transform, seed
        As in `fredfmt.encode`; the seed also selects the images.
    report
        Called with the progress: the task, the steps done and their total.
    options
        Further options and metadata for `fredfmt.encode`. Without ``rounding``, the choices above are made with
        ``"rate"``, and the coefficients of the result are rounded to the nearest multiple of a coarser step: networks
        learn more from it (docs/decisions/choosing.md).

    Raises
    ------
    ArgumentError
        If not even one image per class fits.

    Examples
    --------
    >>> from fredfmt import ledger, open_source
    >>> from fredfmt.data.coding import encode_in_bytes
    >>> data = encode_in_bytes(open_source("digits"), 2500, per_class=2, k=16)
    >>> len(data), ledger(data).total <= 2500
    (20, True)
    """
    max_bytes = integer_of("max_bytes", max_bytes, least=1)
    if at_most is not None:
        at_most = integer_of("at_most", at_most, least=1)
    if k is not None:
        k = integer_of("k", k, least=1)
    limit = sys.maxsize if most_coefficients is None else integer_of("most_coefficients", most_coefficients, least=1)
    options |= {"transform": transform, "seed": seed}
    progress = report or (lambda task, done, total: None)
    searching = {"rounding": "rate"} | options
    tried: Sequence[int] = [k] if k is not None else numbers_kept(source, transform)
    chosen = source if per_class is None else source.sample(per_class, seed=seed)
    if per_class is None and (k is None or at_most is not None):
        found, step = _cheapest(_few(source, seed), tried, near, searching, progress)
        holds = limit // (found * source.channels * len(source.classes))
        most = max(1, min(int(source.counts.max()), at_most or len(source), holds))
        settings = searching | {"k": found, "mask": "low", "step": step}
        count = largest_count(lambda count: _size(_at_most(source, count, seed), settings) <= max_bytes, most)
        chosen = _at_most(source, max(1, count), seed)
        if count < most:  # otherwise there are bytes left for smaller errors
            tried = [found]
    largest = limit // (source.channels * len(chosen))
    tried = [number for number in tried if number <= largest] or tried[:1]
    chosen = chosen.in_memory()
    few = _few(chosen, seed)
    share = len(few) / len(chosen)

    def error(number: int, strategy: str) -> float:
        """The error of a few images in their share of the bytes; infinite if nothing fits."""
        settings = searching | {"k": number, "mask": strategy}
        if share < 1:
            empty = _size(few, settings | {"step": 1e30})
            allowed = int(empty + share * max(0, max_bytes - empty))
        else:
            allowed = max_bytes
        try:
            data = encode_source(few, **settings | {"max_bytes": allowed})
        except ArgumentError:
            return math.inf
        return float(data.metadata.reconstruction["rmse"])

    best = tried[0]
    if len(tried) > 1:
        errors = {}
        for done, number in enumerate(tried):
            progress("numbers of frequencies", done, len(tried))
            errors[number] = error(number, "low" if mask is None else mask)
        best = min(errors, key=errors.__getitem__)
    progress("masks", 0, 1)
    strategy = min(_possible(few), key=lambda name: error(best, name)) if mask is None else mask
    progress("the step that fits", 0, 1)
    data = encode_source(chosen, k=best, mask=strategy, max_bytes=max_bytes, **options)
    progress("the step that fits", 1, 1)
    return data


def numbers_kept(source: Source, transform: str) -> list[int]:
    """The numbers of frequencies that a search tries for the images of a source, ascending."""
    size = spatial_size(source.spatial_shape)
    live = int(live_frequencies(transform, source.spatial_shape).sum())
    return sorted({min(live, max(1, round(share * size))) for share in _SHARES_KEPT})


def best_error(spatial_shape: Sequence[int]) -> float:
    """The root mean square error, in normalised units, of coded images that teach most for their bytes.

    >>> best_error((32, 32)), best_error((64, 64))
    (0.4, 0.45)
    """
    return _RMSE_OF_LARGE if spatial_size(spatial_shape) > _LARGE else _RMSE


def largest_count(fits: Callable[[int], bool], most: int) -> int:
    """The largest integer up to ``most`` for which ``fits`` is true, 0 if it is false for 1. If it is true for a
    number, it must be true for all smaller ones.

    >>> largest_count(lambda count: count <= 37, 100)
    37
    """
    good, bad = 0, 1
    while bad <= most and fits(bad):
        good, bad = bad, bad * 2
    bad = min(bad, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def _few(source: Source, seed: int) -> Source:
    """At most `_TRIED` random images of each class."""
    values = spatial_size(source.spatial_shape) * source.channels * len(source.classes)
    return _at_most(source, max(2, min(_TRIED, _TRIED_VALUES // values)), seed).in_memory()


def _at_most(source: Source, per_class: int, seed: int) -> Source:
    there = source.counts
    return source if there.max() <= per_class else source.sample(np.minimum(there, per_class).tolist(), seed=seed)


def _possible(source: Source) -> tuple[str, ...]:
    """The strategies of `MASKS` that a source allows: those that are computed from images need one image of every
    class."""
    return MASKS if len(np.unique(source.labels)) == len(source.classes) else MASKS[:1]


def _left_out(few: Source, k: int, mask: str, transform: str) -> float:
    exact = encode_source(few, k=k, mask=mask, step=None, transform=transform)
    return float(exact.metadata.reconstruction["rmse"])


def _cheapest(
    few: Source, tried: Sequence[int], step: float | None, options: dict[str, Any], progress: Report
) -> tuple[int, float]:
    """The k of a ``low`` mask and the step, if it is not given, that code ``few`` with `best_error` in the fewest
    bytes, or with the least error if all are larger."""
    size = spatial_size(few.spatial_shape)
    allowed = best_error(few.spatial_shape) * (1.0 if few.whitening is None else float(np.std(few.normalized[:])))
    candidates = []
    for done, k in enumerate(tried):
        progress("frequencies and steps", done, len(tried))
        left_out = _left_out(few, k, "low", options["transform"])
        quantized = allowed**2 - left_out**2
        if len(tried) == 1:  # a given k, which may leave out more than is allowed
            quantized = max(quantized, left_out**2 / 4)
        if step is None and quantized <= 0:
            continue
        how = {"target_rmse": math.sqrt(quantized * size / k)} if step is None else {"step": step}
        data = encode_source(few, **options | {"k": k, "mask": "low"} | how)
        found = float(data.metadata.reconstruction["rmse"])
        candidates.append((0.0 if found <= _CLOSE * allowed else found, packed_size(data), k, data.step))
    _, _, k, chosen = min(candidates)
    return k, chosen


def _size(source: Source, settings: dict[str, Any]) -> int:
    """Bytes of a ``.fred`` file of all images of a source."""
    return packed_size(encode_source(source, **settings))
