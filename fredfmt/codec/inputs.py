"""Checks the arguments of `encode` and converts them to the stored form."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.spectra import as_numpy
from fredfmt.errors import ArgumentError, FredError, quoted
from fredfmt.model.arguments import integer_of, several_of
from fredfmt.model.data import hard_labels
from fredfmt.model.ordering import in_order, is_ordered
from fredfmt.model.parts import Normalization
from fredfmt.transforms import spatial_size

_log = logging.getLogger(__name__)
_MOST_UNNAMED = 1 << 16
"""The largest number of classes without names: a larger label is more likely an identifier, or -1 without its sign."""
ChannelTransform = Literal["auto", "dct", "none"]
"""Values of the option ``channel_transform``."""
_RGB = 3
_COLOURS = (1, 3, 4)
"""Common numbers of channels of images."""


def class_numbers(count: int, *, where: str, instead: str, error: type[FredError] = ArgumentError) -> tuple[str, ...]:
    """The names of ``count`` classes that have none: their numbers. Raises ``error`` for so many that a label is hardly
    the number of a class; ``instead`` says how to give names.

    >>> class_numbers(3, where="labels", instead="names")
    ('0', '1', '2')
    """
    if count > _MOST_UNNAMED:
        raise error(
            "a label is too large to be the number of a class",
            where=where,
            expected=f"0 to {_MOST_UNNAMED - 1:,}, or {instead}",
            found=count - 1,
            hint="Number the classes from 0: numpy.unique(labels, return_inverse=True)",
        )
    return tuple(map(str, range(count)))


def class_labels(
    labels: Any, count: int, classes: Sequence[str] | None
) -> tuple[NDArray[Any], NDArray[np.int64], tuple[str, ...]]:
    """The labels in stored form, the class of each image, and the class names."""
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
    if classes is None:
        numbers = class_numbers(number, where=f"labels[{int(hard.argmax())}]", instead="classes=[names of all]")
        if empty := number - len(np.unique(hard)):
            _log.warning("%d of %d classes have no image, as the largest label is %d", empty, number, number - 1)
        return labels, hard, numbers
    names = several_of("classes", classes, expected="the names of all classes, in order")
    if len(names) < number or (labels.ndim == 2 and len(names) != number):
        raise ArgumentError("too few class names for the labels", expected=f"{number} names", found=len(names))
    return labels, hard, names


def channels_of(shape: tuple[int, ...], given: int | None) -> int:
    """The number of channels of images of this shape. Raises `ArgumentError` if it is not the ``given`` number, and if
    channels seem to be the last axis."""
    last = shape[-1] in _COLOURS and min(shape[1:-1]) > max(_COLOURS)
    if given is None and last:
        raise ArgumentError(
            "the channels seem to be the last axis",
            expected="(N, C, *spatial)",
            found=shape,
            hint=f"Move it: numpy.moveaxis(images, -1, 1). If there are {shape[1]} channels, pass channels={shape[1]}",
        )
    if given is None and len(shape) == 3 and shape[1] == shape[2] > max(_COLOURS):
        _log.warning(
            "images of shape %s are taken as signals of %d channels; if they are images without an axis of channels, "
            "pass images[:, None]; otherwise channels=%d silences this",
            *(shape, shape[1], shape[1]),
        )
    if given is not None and integer_of("channels", given, least=1) != shape[1]:
        raise ArgumentError("wrong number of channels", expected=given, found=shape[1])
    return shape[1]


def channel_transform_of(
    given: ChannelTransform, channels: int, spatial_shape: tuple[int, ...], transform: str, *, exact: bool
) -> str | None:
    """The channel transform of a file, None for none. ``auto`` transforms images of three channels, unless they are
    stored in floating point (``exact``), where that saves nothing, or as pixels.

    >>> channel_transform_of("auto", 3, (32, 32), "dct", exact=False)
    'dct'
    """
    if not isinstance(given, str) or given not in get_args(ChannelTransform):
        raise ArgumentError(
            "unknown channel_transform", expected=" or ".join(get_args(ChannelTransform)), found=quoted(given)
        )
    if given == "auto":
        colour = channels == _RGB and len(spatial_shape) > 1
        return "dct" if colour and not exact and transform != "identity" else None
    return "dct" if given == "dct" and channels > 1 else None


def normalization_of(given: tuple[Sequence[float], Sequence[float]] | Normalization | None) -> Normalization | None:
    if given is None or isinstance(given, Normalization):
        return given
    try:
        mean, std = (np.atleast_1d(as_numpy(part)) for part in given)
    except (TypeError, ValueError, RuntimeError):
        mean = std = np.empty(0, object)
    if not all(part.ndim == 1 and part.dtype.kind in "iuf" and np.isfinite(part).all() for part in (mean, std)):
        raise ArgumentError(
            "unusable normalization", expected="(mean, std), each with one number per channel", found=quoted(given)
        )
    return Normalization(tuple(mean.astype(float).tolist()), tuple(std.astype(float).tolist()))


def given_mask(mask: Any, classes: int, k: int, spatial_shape: tuple[int, ...]) -> NDArray[np.integer[Any]]:
    """A given mask (class, k) in canonical order."""
    given, size = np.asarray(mask), spatial_size(spatial_shape)
    if given.shape != (classes, k):
        raise ArgumentError("the given mask has the wrong shape", expected=(classes, k), found=given.shape)
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= size:
        raise ArgumentError(
            "the given mask has values that are not frequency indices",
            expected=f"integers from 0 to {size - 1}",
            found=f"{given.dtype}, {given.min()} to {given.max()}",
        )
    ordered = in_order(given, spatial_shape)
    if not is_ordered(ordered, spatial_shape).all():
        raise ArgumentError("the given mask repeats a frequency")
    return ordered.astype(np.uint16 if size <= 2**16 else np.uint32)
