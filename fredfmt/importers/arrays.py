"""Images and labels by name: RFAD's and KIP's ``.npz``, RaT-BPTT's HDF5, safetensors, dicts of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fredfmt.importers.content import Content
from fredfmt.importers.facts import Facts
from fredfmt.importers.found import Found, as_number, channels_first, is_images

_IMAGES = ("images", "image", "data", "x")
_LABELS = ("labels", "label", "targets", "target", "y")
_RATES = ("syn_lr", "lr")
_AXES = (3, 4, 5)


def arrays(content: Content, facts: Facts) -> Found | None:
    """One array of images and one of labels, named as anybody names them; ``class_names`` and ``lr`` where they are.

    Labels may be missing (RaT-BPTT stores them only where it learns them).
    """
    value = content.value
    if not isinstance(value, dict):
        return None
    images = _first(value, _IMAGES)
    if not is_images(images, _AXES):
        return None
    labels = _first(value, _LABELS)
    if labels is None:
        labels = content.beside.get("labels")
    names = value.get("class_names")
    rate = _first(value, _RATES)
    return Found(
        channels_first(images, facts.channels),
        labels if isinstance(labels, np.ndarray) else None,
        lr=as_number(rate),
        classes=None if names is None else tuple(map(str, np.asarray(names).ravel().tolist())),
        whitened=False if images.dtype == np.uint8 else None,
    )


def _first(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if name in value), None)
