"""Pictures of a data set: a `FreDData` in, a Pillow image out.

A kind is a function ``(data, *, instances, size, k, whitening) -> Image``; each uses of the options what it has a use
for. Adding one is adding a file beside these and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from fredfmt.errors import ArgumentError
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
        Height of an instance in pixels (``images``, ``k``).
    k
        Use only the ``k`` coarsest frequencies.
    whitening
        What whitened images were whitened by (``images``, ``k``); see `fredfmt.data.sources.ZCA.of`.

    Raises
    ------
    ArgumentError
        For a kind or a k that there is not, or whitened data without their whitening (``images``, ``k``).
    """
    if kind not in KINDS:
        raise ArgumentError("no such kind of preview", expected=", ".join(KINDS), found=kind)
    if k is not None and not 1 <= k <= data.k:
        raise ArgumentError("k is out of range", expected=f"1 to {data.k}", found=k)
    return KINDS[kind](data, instances=instances, size=size, k=k, whitening=whitening)
