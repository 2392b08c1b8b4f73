"""FreD's ``mask.pt``: the frequencies of each class from a dense mask and the decoded images.

FreD saves decoded images, never coefficients. The mask gives the frequencies, and an orthonormal DCT differs from
FreD's only by one factor per frequency, so the coefficients can be computed up to float32 rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError, located
from fredfmt.model.data import hard_labels
from fredfmt.model.ordering import in_order
from fredfmt.transforms import analyse

_LEFT = 1e-4
"""The share of an image's norm that may be outside of its mask: only rounding errors are accepted."""


def mask_of_classes(
    mask: Any, images: NDArray[np.float32], labels: NDArray[Any], classes: int, *, hint: str
) -> NDArray[Any]:
    """(class, k) flat frequencies. Raises `SourceError` with the ``hint`` unless the images consist of these alone."""
    with located("mask.pt"):
        if not isinstance(mask, np.ndarray) or mask.shape != images.shape or not np.isin(mask, (0, 1)).all():
            raise SourceError(
                "the mask does not belong to these images",
                expected=f"zeros and ones {images.shape}",
                found=f"{getattr(mask, 'dtype', type(mask).__name__)} {np.shape(mask)}",
                hint=hint,
            )
        flat = mask.reshape(*mask.shape[:2], -1) != 0
        hard = hard_labels(labels)
        rows = np.array([np.flatnonzero(hard == label)[:1] for label in range(classes) if (hard == label).any()])[:, 0]
        if len(rows) != classes:
            raise SourceError("a class without images has no mask", expected=f"{classes} classes", found=len(rows))
        chosen = flat[rows, 0]
        k = chosen.sum(axis=1)
        if not (flat == chosen[hard][:, None]).all() or k.min() != k.max() or k[0] == 0:
            raise SourceError(
                "there must be one mask per class, all with the same number of frequencies",
                expected="FreD's masks",
                found=f"{k.min()} to {k.max()} frequencies",
                hint=hint,
            )
        spectra = analyse(images.astype(np.float64), "dct", images.ndim - 2).reshape(flat.shape)
        outside = np.sqrt(np.square(np.where(flat, 0, spectra)).sum() / max(np.square(spectra).sum(), 1e-30))
        if outside > _LEFT:
            raise SourceError(
                "the images hold frequencies outside of the mask",
                expected=f"at most {_LEFT:g} of their norm",
                found=f"{outside:.3g}",
                hint=hint,
            )
        frequencies = np.stack([np.flatnonzero(row) for row in chosen])
        wide = np.uint16 if flat.shape[2] <= 2**16 else np.uint32
        return in_order(frequencies, images.shape[2:]).astype(wide)
