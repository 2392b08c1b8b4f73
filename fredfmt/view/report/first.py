"""`first_images`: a few small pictures as HTML, which are visible before the browser has decoded the file."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from numpy.typing import NDArray

from fredfmt.model.data import FreDData
from fredfmt.view.pictures import pictures
from fredfmt.view.preview.cells import drawn

_MOST = 12
"""The largest number of classes that are shown."""
_SIDE = 64
_DEVIATIONS = 6
"""Whitened values are shown as in the page: zero is mid grey, three standard deviations to either side."""


def first_images(data: FreDData) -> str:
    """The first instance of each of the first classes as a figure with the class name, at most 64 pixels per side.

    >>> import numpy as np
    >>> from fredfmt import encode
    >>> from fredfmt.view.report.first import first_images
    >>> data = encode(np.ones((2, 1, 3, 4), np.float32), np.arange(2), k=1, mask="low", classes=("cat", "dog"))
    >>> first_images(data).count("<figure>")
    2
    """
    labels, classes = data.hard_labels, data.metadata.classes
    shown = np.unique(labels)[:_MOST]
    chosen = np.array([np.flatnonzero(labels == label)[0] for label in shown])
    whitened = data.metadata.whitening is not None
    images = pictures(data, chosen, normalized=whitened, within=_SIDE if len(data.metadata.spatial_shape) > 1 else None)
    if whitened:
        images = 0.5 + images / _DEVIATIONS
    cells = drawn(images, (2 * _SIDE, _SIDE))
    return "".join(_figure(cell, classes[label]) for cell, label in zip(cells, shown, strict=True))


def _figure(pixels: NDArray[np.uint8], name: str) -> str:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    source = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    return f'<figure><img alt="" src="{source}"><figcaption dir="auto">{html.escape(name)}</figcaption></figure>'
