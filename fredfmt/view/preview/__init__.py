"""Pictures of a dataset with Pillow.

A kind is a function ``(data, *, instances, size, k, whitening) -> Image``, which may ignore options. To add one, add a
module to this package and a line to `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import integer_of
from fredfmt.model.data import FreDData
from fredfmt.view.preview.energy import energy
from fredfmt.view.preview.images import images
from fredfmt.view.preview.masks import masks
from fredfmt.view.preview.reconstruction import reconstruction
from fredfmt.view.preview.spectra import spectra

if TYPE_CHECKING:
    from PIL.Image import Image

    from fredfmt.codec.whitening import ZCA

KINDS: Mapping[str, Callable[..., Image]] = MappingProxyType(
    {"images": images, "masks": masks, "energy": energy, "spectra": spectra, "k": reconstruction}
)

__all__ = ["KINDS", "preview"]

_LARGEST = 4096
"""Height of an instance in pixels."""


def preview(
    data: FreDData,
    *,
    kind: str = "images",
    instances: int = 12,
    size: int = 56,
    k: int | None = None,
    whitening: ZCA | None = None,
) -> Image:
    """Draw a picture of a dataset. Signals are drawn as lines, volumes by their middle slice.

    Parameters
    ----------
    kind
        ``images``: a contact sheet with one row per class, beginning with its mask. ``masks``: all masks enlarged, with
        the strength of their frequencies. ``energy``: the share of the energy in the first frequencies. ``spectra``:
        the strength of coefficients against frequency, for each class. ``k``: an instance of each class decoded from
        more and more frequencies.
    instances
        Instances to show per class (``images``).
    size
        Height of an instance in pixels, at most 4096 (``images``, ``k``).
    k
        Use only the ``k`` coarsest frequencies (``images``, ``k``).
    whitening
        The whitening of whitened images (``images``, ``k``); see `fredfmt.ZCA.of`.

    Raises
    ------
    ArgumentError
        For an unknown kind, a number that is not an integer or out of range, or whitened data without their whitening
        (``images``, ``k``).

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> sheet = preview(fredfmt.encode(images, [0, 0, 1, 1], k=20), size=48)
    >>> sheet.save("pets.png")
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ArgumentError("no such kind of preview", expected=", ".join(KINDS), found=quoted(kind))
    instances = integer_of("instances", instances, least=1)
    size = integer_of("size", size, least=1, most=_LARGEST)
    if k is not None:
        k = integer_of("k", k, least=1, most=data.k)
    return KINDS[kind](data, instances=instances, size=size, k=k, whitening=whitening)
