"""Pictures of a data set: a `FreDData` in, a Pillow image out.

A kind is a function ``(data, *, instances, size, k, whitening) -> Image``; each uses of the options what it has a use
for. Adding one is adding a file beside these and a line in `KINDS`.
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
    """A picture of a data set. Signals are drawn as lines, volumes by their middle slice.

    Parameters
    ----------
    kind
        ``images``: a contact sheet, one row per class, its mask first. ``masks``: every mask large, with the strength
        of its frequencies. ``energy``: how few frequencies hold how much of the energy. ``spectra``: the strength of
        coefficients against frequency, class by class. ``k``: an instance of each class from more and more frequencies.
    instances
        Instances shown of each class (``images``).
    size
        Height of an instance in pixels, at most 4096 (``images``, ``k``).
    k
        Use only the ``k`` coarsest frequencies.
    whitening
        What whitened images were whitened by (``images``, ``k``); see `fredfmt.data.sources.ZCA.of`.

    Raises
    ------
    ArgumentError
        For an unknown kind, a number that is not an integer or out of range, or whitened data without their whitening
        (``images``, ``k``).
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ArgumentError("no such kind of preview", expected=", ".join(KINDS), found=quoted(kind))
    instances = integer_of("instances", instances, least=1)
    size = integer_of("size", size, least=1, most=_LARGEST)
    if k is not None:
        k = integer_of("k", k, least=1, most=data.k)
    return KINDS[kind](data, instances=instances, size=size, k=k, whitening=whitening)
