"""Images and labels by name: RFAD's and KIP's ``.npz``, RaT-BPTT's HDF5, safetensors, dicts of tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fredfmt.importers.content import Content
from fredfmt.importers.facts import Facts
from fredfmt.importers.found import Found, as_number, channels_first, is_images
from fredfmt.importers.readers.safetensors_file import METADATA

_IMAGES = ("images", "image", "data", "x")
_LABELS = ("labels", "label", "targets", "target", "y")
_RATES = ("syn_lr", "lr")
_AXES = (3, 4, 5)


def arrays(content: Content, facts: Facts) -> Found | None:
    """One array of images and one of labels, named as anybody names them; ``class_names`` and ``lr`` where they are.

    Labels may be missing (RaT-BPTT stores them only where it learns them). What `fredfmt.exporters` writes says its
    class names and that its ``space`` is ``0..1``.
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
    told = value | value[METADATA] if isinstance(value.get(METADATA), dict) else value
    unit = str(np.asarray(told.get("space", ""))) == "0..1"
    rate = _first(value, _RATES)
    return Found(
        channels_first(images, facts.channels),
        labels if isinstance(labels, np.ndarray) else None,
        lr=as_number(rate),
        unit=unit,
        whitened=False if unit or images.dtype == np.uint8 else None,
        classes=_names(told.get("class_names")),
    )


def _first(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if name in value), None)


def _names(told: Any) -> tuple[str, ...] | None:
    """Class names from an array of strings, or from JSON in a header."""
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except (ValueError, RecursionError):
            return None
    if isinstance(told, np.ndarray):
        told = told.ravel().tolist()
    return tuple(map(str, told)) if isinstance(told, list) else None
