"""`decode`: the images of a dataset, by a decoder that is kept as long as the data."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.decoder import Decoder
from fredfmt.codec.unit import to_unit, unwhitened
from fredfmt.codec.whitening import check_unit
from fredfmt.errors import ArgumentError, brief, memory_explained, quoted
from fredfmt.model.arguments import flag_of, indices_of, lengths_of
from fredfmt.model.data import FreDData, expect_data

if TYPE_CHECKING:
    from fredfmt.codec.whitening import ZCA


def decode(
    data: FreDData,
    indices: Sequence[SupportsIndex] | NDArray[np.integer] | Tensor | SupportsIndex | None = None,
    *,
    size: Sequence[int] | int | None = None,
    k: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    normalized: bool = True,
    clip: bool = True,
    coefficients: Tensor | None = None,
    whitening: ZCA | None = None,
) -> Tensor:
    """The images of a dataset, (B, C, *size), in the order of ``indices``.

    Parameters
    ----------
    indices
        Instances in any order, which may repeat; negative indices count from the end. None: all. A single integer gives
        a single image (C, *size).
    size
        Spatial lengths of the images. None: those of the data. Other sizes evaluate the cosines on a finer or coarser
        grid (``dct`` only).
    k
        Use only the ``k`` coarsest frequencies of each instance.
    device, dtype
        Device and floating point type of the images.
    normalized
        True: images in the space in which the data were encoded. False: images in 0..1, by the recorded normalisation.
    clip
        With ``normalized=False``: whether to clip values that rounding and omitted frequencies move out of 0..1.
    coefficients
        A tensor (N, C, K) to decode instead of the stored coefficients, in the same units; the images are
        differentiable with respect to it.
    whitening
        The whitening of whitened images, to undo it with ``normalized=False``; see `fredfmt.ZCA.of`.

    Raises
    ------
    FredIndexError
        For an index outside the dataset.
    FredMemoryError
        If there is not enough memory for the images.
    ArgumentError
        For a size or k that the data do not support, coefficients of the wrong shape, or ``normalized=False`` of
        whitened images without their whitening or at another size.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((6, 3, 8, 12), np.float32)
    >>> data = fredfmt.encode(images, [0, 0, 1, 1, 2, 2], k=20)
    >>> fredfmt.decode(data, [4, 0], size=(16, 24)).shape
    torch.Size([2, 3, 16, 24])
    >>> pictures = fredfmt.decode(data, normalized=False)
    >>> 0 <= pictures.min() and pictures.max() <= 1
    tensor(True)
    """
    expect_data(data)
    if coefficients is not None and not isinstance(coefficients, Tensor):
        raise ArgumentError("not a tensor", where="coefficients", found=type(coefficients).__name__)
    if coefficients is not None and coefficients.shape != data.coefficients.shape:
        raise ArgumentError(
            "wrong shape", where="coefficients", expected=data.coefficients.shape, found=tuple(coefficients.shape)
        )
    normalized, clip = flag_of("normalized", normalized), flag_of("clip", clip)
    if not normalized:
        check_unit(data.metadata, whitening)
    rows, single = _rows(indices, len(data))
    masks = data.mask_of if rows is None else data.mask_of[rows]
    if coefficients is None:
        stored = data.coefficients if rows is None else data.coefficients[rows]
        coefficients = torch.from_numpy(stored.copy() if rows is None else stored)
    elif rows is not None:
        coefficients = coefficients.index_select(0, torch.from_numpy(rows).to(coefficients.device))
    same = masks.size > 0 and (masks == masks[0]).all()
    with memory_explained():
        decoder = _decoder_of(data, size, k, device, dtype)
        images = decoder(coefficients, int(masks[0]) if same else torch.from_numpy(masks.astype(np.int64)))
    if not normalized:
        if whitening is not None and data.metadata.whitening is not None:
            images = unwhitened(images, data.metadata, whitening)
        images = to_unit(images, data.metadata.normalization, clip=clip)
    return images[0] if single else images


def _rows(indices: Any, count: int) -> tuple[NDArray[np.int64] | None, bool]:
    """Indices as non-negative integers, or None for all, and whether a single index was given."""
    if indices is None:
        return None, False
    rows = indices_of(indices.detach().cpu() if isinstance(indices, Tensor) else indices, count)
    return np.atleast_1d(rows), rows.ndim == 0


_decoders: dict[tuple[Any, ...], Decoder] = {}


def _decoder_of(
    data: FreDData, size: Sequence[int] | int | None, k: int | None, device: Any, dtype: torch.dtype
) -> Decoder:
    """The decoder of ``data`` with these options, created once and freed with the data."""
    lengths = None if size is None else lengths_of("size", size, len(data.metadata.spatial_shape))
    key = (id(data), lengths, quoted(k), brief(device), quoted(dtype))
    if key not in _decoders:
        _decoders[key] = Decoder.of(data, size=size, k=k, device=device, dtype=dtype)
        weakref.finalize(data, _decoders.pop, key, None)
    return _decoders[key]
