"""Images and labels by name: RFAD's and KIP's ``.npz``, RaT-BPTT's HDF5, safetensors, dicts of tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts, missing
from fredfmt.exchange.importers.found import STORED, Found, as_number, channels_first, is_images
from fredfmt.exchange.importers.readers.safetensors_file import METADATA

_IMAGES = ("images", "image", "data", "x")
_LABELS = ("labels", "label", "targets", "target", "y")
_RATES = ("syn_lr", "lr")


def arrays(content: Content, facts: Facts) -> Found | None:
    """One array of images and one of labels under common names, and ``class_names`` and ``lr`` if present. Labels may
    be missing (RaT-BPTT stores only learned ones), and images may be flat rows of numbers (as in RaT-BPTT). Files of
    `fredfmt.exchange.exporters` also hold class names and the ``space`` ``0..1``.
    """
    value = content.value
    if not isinstance(value, dict):
        return None
    images = _first(value, _IMAGES)
    named = value | value[METADATA] if isinstance(value.get(METADATA), dict) else value
    unit = str(np.asarray(named.get("space", ""))) == "0..1"  # written by our exporters with the channels first
    if is_images(images, (2,)) and images.shape[1] > 1:
        images = _folded(images, facts)
    elif is_images(images, STORED):
        images = images if unit else channels_first(images, facts.channels)
    else:
        return None
    labels = _first(value, _LABELS)
    if labels is None:
        labels = content.beside.get("labels")
    rate = _first(value, _RATES)
    return Found(
        images,
        labels if isinstance(labels, np.ndarray) else None,
        lr=as_number(rate),
        unit=unit,
        whitened=False if unit or images.dtype == np.uint8 else None,
        classes=_names(named.get("class_names")),
    )


def _folded(rows: NDArray[Any], facts: Facts) -> NDArray[Any]:
    """(N, C, height, width) of images stored as rows of numbers, channel by channel."""
    if facts.size is None:
        raise missing(
            "the size of its images",
            "--size HEIGHTxWIDTH",
            f"Each is a row of {rows.shape[1]} numbers, channel by channel: 32,32 for CIFAR",
        )
    height, width = facts.size
    if rows.shape[1] % (height * width):
        raise ArgumentError("--size does not fit", expected=f"a divisor of {rows.shape[1]}", found=height * width)
    return rows.reshape(len(rows), -1, height, width)


def _first(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if name in value), None)


def _names(named: Any) -> tuple[str, ...] | None:
    """Class names from an array of strings, or from JSON in a header."""
    if isinstance(named, str):
        try:
            named = json.loads(named)
        except (ValueError, RecursionError):
            return None
    if isinstance(named, np.ndarray):
        named = named.ravel().tolist()
    return tuple(map(str, named)) if isinstance(named, list) else None
