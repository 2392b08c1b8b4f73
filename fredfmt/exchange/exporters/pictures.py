"""8-bit pictures of a dataset, for the exporters of image files."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData


def pictures(data: FreDData) -> Iterator[NDArray[np.uint8]]:
    """(height, width) or (height, width, 3) of each instance, clipped to 0..1 and rounded to 8 bits.

    Raises `ArgumentError` for data that are not images of 1 or 3 channels.
    """
    from fredfmt.codec.decoding import decode

    meta = data.metadata
    if len(meta.spatial_shape) != 2 or meta.channels not in (1, 3):
        raise ArgumentError(
            "only images of 1 or 3 channels can be written as PNG",
            expected="(1 or 3, height, width)",
            found=(meta.channels, *meta.spatial_shape),
            hint="Export to npz",
        )
    pixels = (decode(data, normalized=False) * 255).round().byte().numpy()
    return (np.ascontiguousarray(image[0] if meta.channels == 1 else np.moveaxis(image, 0, -1)) for image in pixels)


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """The PNG file of a picture."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
