"""``data.pt`` of IDC, DREAM and NCFM: a list of images in 0..1 and labels, with several pictures packed into each
image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts, MissingFact
from fredfmt.exchange.importers.found import Found, channels_first, is_images, is_labels
from fredfmt.exchange.importers.space import HIGHEST, LOWEST
from fredfmt.model.data import hard_labels

_FACTOR: MissingFact = (
    "how many pictures are along the side of an image",
    "--factor 1, 2 or 3",
    "It is --factor of IDC and NCFM: 2 for images of 32x32, 3 for ImageNet, and 1 for IDC-I",
)


def packed(content: Content, facts: Facts) -> Found | None:
    """``[images, labels]``; with ``factor`` f each image holds f x f pictures, which are cut out and resized to its
    size.

    The order is that of IDC's own decoder (``decode_type`` single): class by class, the first picture of all its
    images, then the second, row by row. If values are far from 0..1 the images are not pixels, and the caller must give
    their space.
    """
    value = content.value
    if not isinstance(value, list | tuple) or len(value) != 2 or not is_images(value[0]) or not is_labels(value[1]):
        return None
    stored, labels = channels_first(value[0], facts.channels), value[1]
    if len(stored) != len(labels):
        raise SourceError("not one label per image", where="labels", expected=len(stored), found=len(labels))
    if stored.dtype == np.uint8:
        stored = (stored / np.float32(255)).astype(np.float32)
    unit = bool(stored.min(initial=0) >= LOWEST and stored.max(initial=0) <= HIGHEST)
    if facts.factor is None:
        return Found(stored, labels, unit=unit, whitened=False, missing=(_FACTOR,))
    if facts.factor > 1:
        order = _class_by_class(labels, facts.factor**2)
        stored = unpack(np.asarray(stored, np.float32), facts.factor)[order]
        labels = labels[order % len(labels)]
    return Found(stored, labels, unit=unit, whitened=False, notes={"factor": facts.factor})


def _class_by_class(labels: NDArray[Any], pictures: int) -> NDArray[np.intp]:
    """Indices of ``pictures`` times all images: class by class, within a class picture by picture."""
    return np.argsort(np.tile(hard_labels(labels), pictures), kind="stable")


def unpack(images: NDArray[Any], factor: int) -> NDArray[Any]:
    """(N f^2, C, H, W) from (N, C, H, W): the f x f pictures of each, enlarged bilinearly to its size."""
    side = images.shape[3]
    if not 1 <= factor <= side or (factor > 1 and images.shape[2] != side):
        raise SourceError(
            "images cannot be unpacked", expected="square images, with sides of at least the factor", found=images.shape
        )
    if factor == 1:
        return images
    edge = -side % factor
    padded = np.pad(images, ((0, 0), (0, 0), (0, edge), (0, edge)), constant_values=0.5)
    part = math.ceil(side / factor)
    matrix = _enlarging(part, side)
    pictures = []
    for row in range(factor):
        for column in range(factor):
            cut = padded[:, :, row * part : (row + 1) * part, column * part : (column + 1) * part]
            pictures.append(np.einsum("xa,ncab,yb->ncxy", matrix, cut.astype(np.float64), matrix, optimize=True))
    return np.concatenate(pictures).astype(np.float32)


def _enlarging(short: int, long: int) -> NDArray[np.float64]:
    """The matrix (long, short) of linear interpolation from the centres of ``short`` cells to those of ``long``
    cells."""
    places = np.clip((np.arange(long) + 0.5) * short / long - 0.5, 0, short - 1)
    left = np.minimum(places.astype(np.intp), max(short - 2, 0))
    matrix = np.zeros((long, short))
    matrix[np.arange(long), left] = 1 - (places - left)
    if short > 1:
        matrix[np.arange(long), left + 1] = places - left
    return matrix
