"""A single tensor: images, with labels in another file or none."""

from __future__ import annotations

import numpy as np

from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts
from fredfmt.exchange.importers.found import Found, channels_first, is_images


def tensor(content: Content, facts: Facts) -> Found | None:
    """The images of a dataset whose labels are in a separate file or follow from the order of the images."""
    if not is_images(content.value, (3, 4, 5)):
        return None
    labels = content.beside.get("labels")
    return Found(
        channels_first(content.value, facts.channels),
        labels if isinstance(labels, np.ndarray) else None,
        whitened=False if content.value.dtype == np.uint8 else None,
        mask=content.beside.get("mask"),
    )
