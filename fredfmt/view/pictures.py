"""`pictures`: decodes a few images with NumPy alone, to display, compare and draw them.

`fredfmt.decode` computes the same images faster and on any device, but needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.whitening import check_unit
from fredfmt.model.data import FreDData
from fredfmt.transforms import Matrix, spatial_size, synthesis_matrix

if TYPE_CHECKING:
    from fredfmt.codec.whitening import ZCA


def pictures(
    data: FreDData,
    indices: Sequence[int] | NDArray[np.integer],
    *,
    normalized: bool = False,
    k: int | None = None,
    within: int | None = None,
    whitening: ZCA | None = None,
) -> NDArray[np.float64]:
    """Images (B, C, *spatial) of the instances ``indices``, float64 in 0..1 by the recorded normalisation, not clipped.

    With ``normalized``, images stay in the space in which they are stored. ``k`` is the number of frequencies to use.
    Images with an axis longer than ``within`` are reduced to it by averaging. Raises `ArgumentError` for whitened
    images if their ``whitening`` is not given.

    >>> from fredfmt import encode
    >>> data = encode(np.random.default_rng(0).random((4, 3, 8, 12), np.float32), [0, 0, 1, 1], k=20)
    >>> pictures(data, [3, 0], k=5).shape, pictures(data, [3], within=6).shape
    ((2, 3, 8, 12), (1, 3, 4, 6))
    """
    if not normalized:
        check_unit(data.metadata, whitening)
    meta, chosen = data.metadata, np.asarray(indices, np.int64)
    shape, used = meta.spatial_shape, data.k if k is None else k
    values, masks = data.image_spectra(chosen, k=used), data.mask_of[chosen]
    images = np.zeros((len(chosen), meta.channels, spatial_size(shape)))
    places = np.broadcast_to(data.frequencies[masks, None, :used].astype(np.int64), values.shape)
    np.put_along_axis(images, places, values, axis=-1)
    images = images.reshape(*images.shape[:2], *shape)
    shrink = 1.0 if within is None else min(1.0, within / max(shape))
    for axis, length in enumerate(shape, start=2):
        matrix = synthesis_matrix(meta.transform, length)
        if shrink < 1:
            matrix = _averages(length, max(1, round(length * shrink))) @ matrix
        images = np.moveaxis(np.moveaxis(images, axis, -1) @ matrix.T, -1, axis)
    if meta.whitening is not None and whitening is not None:
        images = whitening.unwhiten(images).astype(np.float64)
    if meta.normalization is not None and not normalized:
        mean, std = meta.normalization.moments(len(shape))
        images = images * std + mean
    return images


def pixels(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(B, height, width, 3) bytes of images (B, C, height, width) in 0..1, clipped; if not RGB, the first channel in
    grey."""
    colours = images if images.shape[1] == 3 else np.repeat(images[:, :1], 3, axis=1)
    return np.ascontiguousarray(np.moveaxis((colours.clip(0, 1) * 255).round(), 1, -1)).astype(np.uint8)


def _averages(length: int, size: int) -> Matrix:
    """(size, length): each row averages ``length / size`` positions, weighted by their share if only partly covered."""
    edges = np.linspace(0, length, size + 1)
    positions = np.arange(length)
    overlap = np.minimum(edges[1:, None], positions + 1) - np.maximum(edges[:-1, None], positions)
    weights: Matrix = overlap.clip(0) * size / length
    return weights
