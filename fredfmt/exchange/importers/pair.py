"""``images_best.pt`` with ``labels_best.pt``: MTT, TESLA, FTD and others; FreD's TM with ``mask.pt``."""

from __future__ import annotations

from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts
from fredfmt.exchange.importers.found import STORED, Found, as_number, is_images, is_labels, laid_out


def pair(content: Content, facts: Facts) -> Found | None:
    """Two tensors in two files. The learning rate was learned with them, but is only in the log. Images that are not
    whitened are normalised.
    """
    labels = content.beside.get("labels")
    if not is_images(content.value, STORED) or not is_labels(labels):
        return None
    return Found(
        laid_out(content.value, facts.channels),
        labels,
        unit=content.unwhitened,
        whitened=False if content.unwhitened else None,
        whitens_pixels=True,
        lr=as_number(content.beside.get("lr")),
        lr_learned=True,
        mask=content.beside.get("mask"),
    )
