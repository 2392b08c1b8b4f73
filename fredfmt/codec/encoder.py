"""`encode`: converts images and labels to `FreDData`, without distillation. Images are read in blocks, at most
twice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.inputs import (
    ChannelTransform,
    channel_transform_of,
    channels_of,
    class_labels,
    given_mask,
    normalization_of,
)
from fredfmt.codec.masks import WITHOUT_STATISTICS, ClassStatistics, checked_choice, checked_k, choose_frequencies
from fredfmt.codec.quantizer import Rounding, Step, check_rounding, check_step, quantize
from fredfmt.codec.spectra import Rows, Spectra, mean_spectra
from fredfmt.codec.spool import Spool
from fredfmt.codec.step_search import step_for_bytes, step_for_error
from fredfmt.codec.views import PLAUSIBLE, check_normalization
from fredfmt.errors import ArgumentError
from fredfmt.model.arguments import integer_of, positive_of
from fredfmt.model.data import FreDData
from fredfmt.model.documents import LARGEST_INTEGER
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Normalization, Quantization
from fredfmt.model.version import __version__
from fredfmt.transforms import spatial_size

_log = logging.getLogger(__name__)

_DESCRIPTION = frozenset(
    ("whitening", "source", "distillation", "recipe", "results", "license", "citation", "writer", "ext", "extensions")
)
"""The fields of `Metadata` that a caller of `encode` may give."""


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
    channel_transform: ChannelTransform = "auto",
    base: bool = False,
    seed: int = 0,
    **metadata: Any,
) -> FreDData:
    """Keep the ``k`` best frequencies of every image and quantise their coefficients.

    Parameters
    ----------
    images
        (N, C, *spatial) floats with 1, 2 or 3 spatial axes, as networks are trained on them (usually normalised): a
        NumPy array, a torch tensor, or anything whose rows can be read by slice. They are read in blocks, so they may
        be larger than memory.
    labels
        (N,) integers, or (N, classes) probabilities, which are stored in float16 if they have that type and otherwise
        in float32. An image uses the mask of its most probable class.
    k
        Number of frequencies kept per image.
    transform, mask
        Names in `fredfmt.transforms.TRANSFORMS` and `fredfmt.codec.masks.MASKS`, or for ``mask`` an array (class, k) of
        flat frequency indices in any order. The mask of a class is chosen by all of its images.
    step
        The quantisation step, in units of an orthonormal coefficient. None stores coefficients in float32,
        ``"float16"`` in float16.
    target_rmse, max_bytes
        Instead of ``step``: search the largest step with at most this root mean square error of the kept coefficients,
        or the smallest step for which the ``.fred`` file has at most this many bytes.
    rounding
        ``"nearest"`` multiple of the step, or ``"rate"``: rate-distortion optimised, see
        `fredfmt.codec.quantizer.quantize`. None: rate for a ``target_rmse``, as it takes fewer bytes for the same
        error, and otherwise nearest, from which networks learn more in the same bytes.
    normalization
        ``(mean, std)``, each with one value per channel: images are ``(x - mean) / std`` of pixels x in 0..1. None:
        images are in 0..1.
    classes
        Class names. None: the numbers.
    channels
        The number of channels, C. Only needed if channels seem to be the last axis, which is refused otherwise.
    channel_transform
        ``"dct"`` also transforms along the channels: those of colour images are similar, so their mean has most of the
        information, and the same error takes 11 to 28 % fewer bytes (docs/decisions/codec.md). ``"none"`` stores each
        channel by itself; ``"auto"`` is ``"dct"`` for images of three channels that are stored as integers, except as
        pixels (``identity``).
    base
        Whether to store the mean spectrum of each class once, and for instances only the differences from it.
    seed
        Seed of the mask strategy ``random``, at most ``2**53 - 1``, so that the metadata can record it.
    metadata
        Further fields of `Metadata`, such as ``source``, ``license`` or ``ext``.

    Raises
    ------
    ArgumentError
        For shapes that contradict each other, NaN, a k out of range, or a mask that cannot be computed (see
        `fredfmt.codec.masks`). Everything except NaN and the mask is checked before any image is read.
    FormatError
        For metadata that a file cannot store.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((6, 3, 8, 12), np.float32)
    >>> fredfmt.encode(images, [0, 0, 1, 1, 2, 2], k=20, step=0.1, license="CC0-1.0")
    FreDData: 6 instances of 3x8x12, 3 classes, k=20 dct, also along the channels, step 0.1
      coefficients 6x3x20          int16
      frequencies  3x20            uint16
      labels       6               uint8
      mask_of      6               uint8
    """
    if not hasattr(images, "shape"):
        raise ArgumentError(
            "images are not an array",
            expected="(N, C, *spatial) of NumPy or torch, or anything with a shape and rows that can be read by slice",
            found=type(images).__name__,
            hint="Convert a list of images by numpy.stack or torch.stack",
        )
    shape = tuple(int(length) for length in images.shape)
    if not 3 <= len(shape) <= 5 or min(shape) < 1:
        raise ArgumentError(
            "images have an unusable shape", expected="(N, C, *spatial), 1 to 3 spatial axes", found=shape
        )
    count, spatial_shape = shape[0], shape[2:]
    channels = channels_of(shape, channels)
    labels, hard, names = class_labels(labels, count, classes)
    if isinstance(mask, str):
        k = checked_choice(mask, k, spatial_shape, transform)
    else:
        k = checked_k(k, spatial_shape, transform)
        mask = given_mask(mask, len(names), k, spatial_shape)
    check_step(step)
    if rounding is not None:
        check_rounding(rounding)
    if sum(option is not None for option in (target_rmse, max_bytes)) > 1:
        raise ArgumentError("target_rmse and max_bytes cannot be combined", expected="one of them")
    if target_rmse is not None:
        target_rmse = positive_of("target_rmse", target_rmse, hint="step=None stores exact coefficients")
    if max_bytes is not None:
        max_bytes = integer_of("max_bytes", max_bytes, least=1)
    seed = integer_of("seed", seed, least=0, most=LARGEST_INTEGER)
    if unknown := sorted(set(metadata) - _DESCRIPTION):
        raise ArgumentError("unknown fields of metadata", expected=", ".join(sorted(_DESCRIPTION)), found=unknown)
    space = normalization_of(normalization)
    if space is not None:
        check_normalization(space, channels)
    exact = step in (None, "float16") and target_rmse is None and max_bytes is None
    description = Metadata(
        spatial_shape=spatial_shape,
        channels=channels,
        classes=names,
        transform=transform,
        quantization=Quantization("float32"),
        normalization=space,
        channel_transform=channel_transform_of(channel_transform, channels, spatial_shape, transform, exact=exact),
        **{"writer": {"name": "fredfmt", "version": __version__}, **metadata},
    )

    blocks = Spectra(images, shape, transform, description.channel_transform)
    frequencies, statistics = _frequencies(blocks, hard, len(names), k, mask, seed)
    description = replace(description, mask=_describe_mask(mask, statistics, frequencies, seed))
    with closing(Spool((count, channels, k))) as kept:
        left_out = _keep(blocks, frequencies, hard, kept)
        if (space, description.whitening) == (None, None) and not (
            PLAUSIBLE[0] <= blocks.low <= blocks.high <= PLAUSIBLE[1]
        ):
            _log.warning(
                "images have values from %.4g to %.4g, but without normalization the file declares them to be in 0..1",
                *(blocks.low, blocks.high),
            )
        spectrum = mean_spectra(kept, hard, len(names)) if base else None
        rule = rounding or ("nearest" if target_rmse is None else "rate")

        def at(chosen: Step) -> FreDData:
            data = store(
                kept, frequencies, labels, description, step=chosen, rounding=rule, mask_of=hard, base=spectrum
            )
            error = data.metadata.quantization.error_rms or 0.0
            rmse = float(np.sqrt((left_out + error**2 * data.coefficients.size) / np.prod(shape)))
            return replace(data, metadata=replace(data.metadata, reconstruction={"rmse": rmse}))

        if target_rmse is not None:
            step = step_for_error(at, kept, target_rmse)
        elif max_bytes is not None:
            step = step_for_bytes(at, kept, max_bytes)
        return at(step)


def _keep(blocks: Spectra, masks: NDArray[Any], hard: NDArray[Any], kept: Spool) -> float:
    """Write the coefficients of each instance's mask to ``kept``. Returns the energy of all others."""
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
    """Coefficients (instance, channel, frequency) as a `FreDData` with the given step, which records the error.

    ``base`` is a spectrum (mask, channel, frequency) that is subtracted from the instances of each mask and stored
    once.
    """
    if base is None or mask_of is None:
        stored, quantization = quantize(coefficients, step, rounding=rounding)
        stored_base = None
    else:
        stored_base, coarse = quantize(base, step)
        restored = stored_base.astype(np.float64) * (coarse.step or 1.0)
        differences = _Differences(coefficients, restored, mask_of)
        stored, quantization = quantize(differences, step, rounding=rounding, least=stored_base.dtype)
        stored_base = stored_base.astype(stored.dtype)
    metadata = replace(metadata, quantization=quantization)
    return FreDData(stored, frequencies, labels, metadata, mask_of=mask_of, base=stored_base)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Differences:
    """Rows minus the row of ``base`` that belongs to the mask of each."""

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
            raise ArgumentError("a class without images has no mask", where=f"class {absent[0]}")
    frequencies = choose_frequencies(statistics, spatial_shape, k, mask=mask, transform=blocks.transform, seed=seed)
    return frequencies, statistics


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
