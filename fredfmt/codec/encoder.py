"""`encode`: images and labels in, `FreDData` out, without distillation. Images are read in blocks, twice at most."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.masks import WITHOUT_STATISTICS, ClassStatistics, check_choice, check_k, choose_frequencies
from fredfmt.codec.quantizer import Rounding, Step, check_step, largest_step, quantize
from fredfmt.codec.spectra import Rows, Spectra, as_numpy, mean_spectra, row_blocks
from fredfmt.codec.spool import Spool
from fredfmt.codec.views import PLAUSIBLE, check_normalization
from fredfmt.errors import ArgumentError
from fredfmt.model.arguments import integer_of, positive_of
from fredfmt.model.data import FreDData, hard_labels
from fredfmt.model.metadata import Metadata, Normalization, Quantization
from fredfmt.model.ordering import in_order, is_ordered
from fredfmt.model.version import __version__
from fredfmt.storage.files import packed_size
from fredfmt.transforms import spatial_size

_log = logging.getLogger(__name__)

_DESCRIPTION = frozenset(
    ("whitening", "source", "distillation", "recipe", "results", "license", "citation", "writer", "ext", "extensions")
)
"""The fields of `Metadata` that a caller of `encode` may give."""
_COLOURS = (1, 3, 4)
"""Numbers of channels of images."""
_FINEST_BITS = 20
"""A step search goes no further below the typical coefficient than float32 resolves."""


def encode(
    images: Rows,
    labels: Any,
    *,
    k: int,
    transform: str = "dct",
    mask: str | NDArray[Any] = "evr",
    step: Step = 0.5,
    target_rmse: float | None = None,
    max_bytes: int | None = None,
    rounding: Rounding | None = None,
    normalization: tuple[Sequence[float], Sequence[float]] | Normalization | None = None,
    classes: Sequence[str] | None = None,
    channels: int | None = None,
    base: bool = False,
    seed: int = 0,
    **metadata: Any,
) -> FreDData:
    """Keep the ``k`` best frequencies of every image and quantise their coefficients.

    Parameters
    ----------
    images
        (N, C, *spatial) floats with 1, 2 or 3 spatial axes, in the space the caller trains in (normalised, say), as
        numpy, torch or anything that gives its rows by slice. Read in blocks: 60,000 images or a memory map larger than
        memory are fine.
    labels
        (N,) integers, or (N, classes) probabilities, stored in float32 or as float16; the most probable class decides
        each image's mask.
    k
        Frequencies kept of each image, 1 to all.
    transform, mask
        Names in `fredfmt.transforms.TRANSFORMS` and `fredfmt.codec.masks.MASKS`, or for ``mask`` an array (class, k) of
        flat frequency indices in any order. The mask of a class is chosen over all of its images.
    step
        The quantisation step, in units of an orthonormal coefficient; None stores exact float32, ``"float16"`` halves.
    target_rmse, max_bytes
        Search the step instead: the largest with at most this root mean square error of the kept coefficients, or the
        smallest for which the ``.fred`` file has at most this many bytes.
    rounding
        ``"nearest"`` to multiples of the step, or ``"rate"``: by bits and error together, see
        `fredfmt.codec.quantizer.quantize`. None: nearest for a given step, rate where the step is searched, as it then
        takes fewer bytes for the same error.
    normalization
        ``(mean, std)``, each a value per channel: how the space of the images came from 0..1. None says that it is
        0..1 itself.
    classes
        Class names; by default the numbers.
    channels
        The number of channels, C. Only needed where the shape looks as if the channels came last, which is refused.
    base
        Store each class's mean spectrum once and only the differences from it in the instances.
    seed
        For the mask strategy ``random``.
    metadata
        Further fields of `Metadata`, such as ``source``, ``license`` or ``ext``.

    Raises
    ------
    ArgumentError
        For shapes that contradict each other, NaN, a k out of range, or a mask that cannot be computed (see
        `fredfmt.codec.masks`). All but NaN and the mask are looked at before any image is read.
    FormatError
        For metadata of a kind that no file can hold.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((6, 3, 8, 12), np.float32)
    >>> fredfmt.encode(images, [0, 0, 1, 1, 2, 2], k=20, step=0.1, license="CC0-1.0")
    FreDData: 6 instances of 3x8x12, 3 classes, k=20 dct, step 0.1
      coefficients 6x3x20          int16
      frequencies  3x20            uint16
      labels       6               uint8
      mask_of      6               uint8
    """
    if not hasattr(images, "shape"):
        raise ArgumentError(
            "images are not an array",
            expected="(N, C, *spatial) of numpy or torch, or anything with a shape that gives its rows by slice",
            found=type(images).__name__,
            hint="Of a list of images: numpy.stack, or torch.stack",
        )
    shape = tuple(int(length) for length in images.shape)
    if not 3 <= len(shape) <= 5 or min(shape) < 1:
        raise ArgumentError(
            "images have an unusable shape", expected="(N, C, *spatial), 1 to 3 spatial axes", found=shape
        )
    count, spatial_shape = shape[0], shape[2:]
    channels = _channels(shape, channels)
    labels, hard, names = _class_labels(labels, count, classes)
    if isinstance(mask, str):
        check_choice(mask, k, spatial_shape, transform)
    else:
        mask = _given_mask(mask, len(names), k, spatial_shape, transform)
    check_step(step)
    if sum(option is not None for option in (target_rmse, max_bytes)) > 1:
        raise ArgumentError("target_rmse and max_bytes are two ways to find the step", expected="one of them")
    if target_rmse is not None:
        target_rmse = positive_of("target_rmse", target_rmse, hint="step=None stores exact coefficients")
    if max_bytes is not None:
        max_bytes = integer_of("max_bytes", max_bytes, least=1)
    seed = integer_of("seed", seed, least=0)
    if unknown := sorted(set(metadata) - _DESCRIPTION):
        raise ArgumentError("unknown fields of metadata", expected=", ".join(sorted(_DESCRIPTION)), found=unknown)
    space = _normalization(normalization)
    if space is not None:
        check_normalization(space, channels)
    description = Metadata(
        spatial_shape=spatial_shape,
        channels=channels,
        classes=names,
        transform=transform,
        quantization=Quantization("float32"),
        normalization=space,
        **{"writer": {"name": "fredfmt", "version": __version__}, **metadata},
    )

    blocks = Spectra(images, shape, transform)
    frequencies, statistics = _frequencies(blocks, hard, len(names), k, mask, seed)
    description = replace(description, mask=_describe_mask(mask, statistics, frequencies, seed))
    with closing(Spool((count, channels, k))) as kept:
        left_out = _keep(blocks, frequencies, hard, kept)
        if (space, description.whitening) == (None, None) and not (
            PLAUSIBLE[0] <= blocks.low <= blocks.high <= PLAUSIBLE[1]
        ):
            _log.warning(
                "images run from %.4g to %.4g, and the file says that they are in 0..1, as there is no normalization",
                *(blocks.low, blocks.high),
            )
        spectrum = mean_spectra(kept, hard, len(names)) if base else None
        searched = target_rmse is not None or max_bytes is not None
        how = rounding or ("rate" if searched else "nearest")

        def at(chosen: Step) -> FreDData:
            data = store(kept, frequencies, labels, description, step=chosen, rounding=how, mask_of=hard, base=spectrum)
            error = data.metadata.quantization.error_rms or 0.0
            rmse = float(np.sqrt((left_out + error**2 * data.coefficients.size) / np.prod(shape)))
            return replace(data, metadata=replace(data.metadata, reconstruction={"rmse": rmse}))

        return at(_search_step(at, kept, step, target_rmse, max_bytes))


def _keep(blocks: Spectra, masks: NDArray[Any], hard: NDArray[Any], kept: Spool) -> float:
    """Write the coefficients at the frequencies of each instance's mask; returns the energy of the others."""
    missed = np.empty(len(hard))
    for rows, spectra, beyond in blocks:
        chosen = np.broadcast_to(masks[hard[rows]][:, None].astype(np.intp), (*spectra.shape[:2], kept.shape[2]))
        kept[rows] = np.take_along_axis(spectra, chosen, axis=2)
        np.put_along_axis(spectra, chosen, 0, axis=2)
        missed[rows] = np.square(spectra, dtype=np.float64).sum(axis=(1, 2)) + beyond
    return float(missed.sum())


def store(
    coefficients: Rows,
    frequencies: NDArray[Any],
    labels: NDArray[Any],
    metadata: Metadata,
    *,
    step: Step,
    rounding: Rounding = "nearest",
    mask_of: NDArray[Any] | None = None,
    base: NDArray[Any] | None = None,
) -> FreDData:
    """Real coefficients (instance, channel, frequency) as a `FreDData` with the given step, the error recorded.

    ``base`` is a real spectrum (mask, channel, frequency) that every instance is stored relative to.
    """
    if base is None or mask_of is None:
        stored, quantization = quantize(coefficients, step, rounding=rounding)
        stored_base = None
    else:
        stored_base, coarse = quantize(base, step)
        restored = stored_base.astype(np.float64) * (coarse.step or 1.0)
        stored, quantization = quantize(_Differences(coefficients, restored, mask_of), step, rounding=rounding)
        wide = np.promote_types(stored.dtype, stored_base.dtype)
        stored, stored_base = stored.astype(wide), stored_base.astype(wide)
    metadata = replace(metadata, quantization=quantization)
    return FreDData(stored, frequencies, labels, metadata, mask_of=mask_of, base=stored_base)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Differences:
    """Rows less the row of ``base`` that ``mask_of`` names for each."""

    rows: Rows
    base: NDArray[np.float64]
    mask_of: NDArray[Any]

    @property
    def shape(self) -> Sequence[int]:
        return self.rows.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        differences: NDArray[np.float64] = self.rows[rows] - self.base[self.mask_of[rows]]
        return differences


def _frequencies(
    blocks: Spectra, hard: NDArray[Any], classes: int, k: int, mask: str | NDArray[Any], seed: int
) -> tuple[NDArray[Any], ClassStatistics | None]:
    if not isinstance(mask, str):
        return mask, None
    spatial_shape = blocks.shape[2:]
    statistics = ClassStatistics(classes, blocks.shape[1], spatial_size(spatial_shape))
    if k < spatial_size(spatial_shape) and mask not in WITHOUT_STATISTICS:
        statistics = blocks.statistics(hard, classes)
        if (absent := np.flatnonzero(statistics.count == 0)).size:
            raise ArgumentError("a class has no image, so no mask", where=f"class {absent[0]}")
    frequencies = choose_frequencies(statistics, spatial_shape, k, mask=mask, transform=blocks.transform, seed=seed)
    return frequencies, statistics


def _given_mask(
    mask: Any, classes: int, k: int, spatial_shape: tuple[int, ...], transform: str
) -> NDArray[np.integer[Any]]:
    """A caller's mask (class, k) in canonical order."""
    check_k(k, spatial_shape, transform)
    given, size = np.asarray(mask), spatial_size(spatial_shape)
    if given.shape != (classes, k):
        raise ArgumentError("the given mask has the wrong shape", expected=(classes, k), found=given.shape)
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= size:
        raise ArgumentError(
            "the given mask holds other values than frequency indices",
            expected=f"integers from 0 to {size - 1}",
            found=f"{given.dtype}, {given.min()} to {given.max()}",
        )
    ordered = in_order(given, spatial_shape)
    if not is_ordered(ordered, spatial_shape).all():
        raise ArgumentError("the given mask repeats a frequency")
    return ordered.astype(np.uint16 if size <= 2**16 else np.uint32)


def _describe_mask(
    mask: str | NDArray[Any], statistics: ClassStatistics | None, frequencies: NDArray[Any], seed: int
) -> dict[str, Any]:
    if not isinstance(mask, str):
        return {"strategy": "given"}
    described: dict[str, Any] = {"strategy": mask}
    if mask == "random":
        described["seed"] = seed
    if statistics is not None and statistics.count.any():
        described |= {"scope": "class", **statistics.describe(frequencies)}
    return described


def _search_step(at: Any, kept: Rows, step: Step, target_rmse: float | None, max_bytes: int | None) -> Step:
    if target_rmse is not None:
        return largest_step(lambda size: at(size).metadata.quantization.error_rms <= target_rmse, _typical(kept))
    return step if max_bytes is None else step_for_bytes(at, kept, max_bytes)


def step_for_bytes(at: Callable[[float], FreDData], coefficients: Rows, max_bytes: int) -> float:
    """The smallest step with which the ``.fred`` file of ``at(step)`` has at most ``max_bytes`` bytes.

    Raises `ArgumentError` if even the coarsest step is too large a file.
    """
    start = _typical(coefficients)
    least = packed_size(at(1e6 * start))
    if least > max_bytes:
        raise ArgumentError(
            "max_bytes is less than the file takes without any coefficients",
            expected=f"at least {least}",
            found=max_bytes,
            hint="Use fewer images, a smaller k or more bytes",
        )
    finest = 2**_FINEST_BITS / start
    return 1 / largest_step(
        lambda fineness: fineness <= finest and packed_size(at(1 / fineness)) <= max_bytes, 1 / start
    )


def _typical(coefficients: Rows) -> float:
    squares = sum(float(np.square(coefficients[rows], dtype=np.float64).sum()) for rows in row_blocks(coefficients))
    return math.sqrt(squares / math.prod(coefficients.shape)) or 1.0


def _class_labels(
    labels: Any, count: int, classes: Sequence[str] | None
) -> tuple[NDArray[Any], NDArray[np.int64], tuple[str, ...]]:
    """The labels as they are stored, the class of each image, and the class names."""
    labels = as_numpy(labels)
    if (
        labels.ndim not in (1, 2)
        or len(labels) != count
        or labels.dtype.kind not in ("iu" if labels.ndim == 1 else "f")
    ):
        raise ArgumentError(
            "labels do not fit the images",
            expected=f"({count},) integers or ({count}, classes) probabilities",
            found=f"{labels.shape} {labels.dtype}",
        )
    if labels.ndim == 2 and labels.dtype != np.float16:
        labels = labels.astype(np.float32, copy=False)
    hard = hard_labels(labels)
    if hard.min() < 0:
        raise ArgumentError("a label is negative", found=int(hard.min()))
    number = labels.shape[1] if labels.ndim == 2 else int(hard.max()) + 1
    if isinstance(classes, str) or not isinstance(classes, Iterable | None):
        raise ArgumentError(
            "classes are not a list", expected="the names of all classes, in order", found=repr(classes)
        )
    names = tuple(map(str, range(number))) if classes is None else tuple(classes)
    if len(names) < number or (labels.ndim == 2 and len(names) != number):
        raise ArgumentError("too few class names for the labels", expected=f"{number} names", found=len(names))
    return labels, hard, names


def _channels(shape: tuple[int, ...], given: int | None) -> int:
    """The number of channels of images of a shape; raises `ArgumentError` for another one, and channels that come
    last unless they are said not to."""
    last = shape[-1] in _COLOURS and min(shape[1:-1]) > max(_COLOURS)
    if given is None and last:
        raise ArgumentError(
            "the channels seem to come last",
            expected="(N, C, *spatial)",
            found=shape,
            hint=f"Move them: numpy.moveaxis(images, -1, 1). If there are {shape[1]} channels, say channels={shape[1]}",
        )
    if given not in (None, shape[1]):
        raise ArgumentError("the images have another number of channels", expected=given, found=shape[1])
    return shape[1]


def _normalization(given: tuple[Sequence[float], Sequence[float]] | Normalization | None) -> Normalization | None:
    if given is None or isinstance(given, Normalization):
        return given
    try:
        mean, std = (tuple(np.atleast_1d(as_numpy(part)).astype(float).tolist()) for part in given)
    except (TypeError, ValueError):
        raise ArgumentError(
            "unusable normalization", expected="(mean, std), each a number for every channel", found=given
        ) from None
    return Normalization(mean, std)
