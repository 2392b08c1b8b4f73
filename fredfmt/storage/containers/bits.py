"""Masks as bits: one bit per position of the canonical order says whether the mask keeps it, in place of the
indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError
from fredfmt.model.limits import DEFAULT
from fredfmt.model.ordering import coarsest, order_keys
from fredfmt.transforms import spatial_size

MOST = 1 << 17
"""The largest number of bits (FRED-214): without compiled loops they decode in about three seconds."""


def of(frequencies: NDArray[Any], spatial_shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """(mask, position) 0 or 1, up to the last position that any mask keeps; None if there are too many, or if readers
    refuse images of that size by default.

    >>> of(np.array([[0, 1, 2], [0, 2, 3]]), (2, 2)).tolist()
    [[1, 1, 1, 0], [1, 0, 1, 1]]
    """
    size = spatial_size(spatial_shape)
    longest = min(MOST // len(frequencies), size)
    if longest < frequencies.shape[1] or size > DEFAULT.spatial_size:
        return None
    first = order_keys(coarsest(spatial_shape, longest), spatial_shape)
    keys = order_keys(frequencies, spatial_shape)
    if keys.max() > first[-1]:
        return None
    places = np.searchsorted(first, keys)
    length = int(places.max()) + 1
    bits = np.zeros((len(frequencies), length), np.uint8)
    np.put_along_axis(bits, places, 1, axis=1)
    return bits


def back(bits: NDArray[np.uint8], spatial_shape: tuple[int, ...]) -> NDArray[Any]:
    """The frequencies of these bits, (mask, frequency) uint16 or uint32. Raises `FormatError` if they are not masks."""
    size = spatial_size(spatial_shape)
    if bits.size > MOST:
        raise FormatError("too many bits of masks", expected=f"at most {MOST}", found=bits.size, rule="FRED-214")
    kept = bits.sum(axis=1, dtype=np.int64)
    if bits.shape[1] > size or bits.max() > 1 or kept[0] < 1 or (kept != kept[0]).any():
        raise FormatError(
            "the bits are not those of masks",
            expected=f"up to {size} of 0 and 1, the same number of 1 in every mask",
            found=f"{bits.shape[1]} of 0 to {bits.max()}, sums of {kept.min()} to {kept.max()}",
            rule="FRED-214",
        )
    found = coarsest(spatial_shape, bits.shape[1])[np.nonzero(bits)[1]].reshape(len(bits), -1)
    return found.astype(np.uint16 if size <= 2**16 else np.uint32)
