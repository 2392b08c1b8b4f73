"""``images_best.pt`` with ``labels_best.pt`` beside it: MTT, TESLA, FTD and others, FreD's TM with ``mask.pt``."""

from __future__ import annotations

from fredfmt.importers.content import Content
from fredfmt.importers.facts import Facts
from fredfmt.importers.found import Found, as_number, is_images, is_labels


def pair(content: Content, facts: Facts) -> Found | None:
    """Two tensors in two files. The learning rate was learned with them and only logged.

    ``images_zca_N.pt`` is, against its name, the copy from which the whitening was taken away; without whitening these
    projects normalise.
    """
    labels = content.beside.get("labels")
    if not is_images(content.value, (4, 5)) or not is_labels(labels):
        return None
    undone = content.path.name.startswith("images_zca_")
    return Found(
        content.value,
        labels,
        unit=undone,
        whitened=False if undone else None,
        lr=as_number(content.beside.get("lr")),
        lr_learned=True,
        mask=content.beside.get("mask"),
    )
