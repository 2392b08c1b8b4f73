"""``images_best.pt``, ``labels_best.pt`` and ``lr_best.pt``: DATM and PAD, which store soft labels and a learning
rate."""

from __future__ import annotations

import numpy as np

from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts
from fredfmt.exchange.importers.found import STORED, Found, as_number, is_images, laid_out


def triple(content: Content, facts: Facts) -> Found | None:
    """Three files. The labels are logits, of which these projects take the softmax in training."""
    labels, lr = content.beside.get("labels"), content.beside.get("lr")
    soft = isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.dtype.kind == "f"
    if not is_images(content.value, STORED) or not soft or lr is None:
        return None
    return Found(
        laid_out(content.value, facts.channels),
        labels,
        labels_are="logits",
        unit=content.unwhitened,
        whitened=False if content.unwhitened else None,
        whitens_pixels=True,
        lr=as_number(lr),
        lr_learned=True,
    )
