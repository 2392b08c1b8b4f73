"""Exports a dataset to files that other programs read.

An exporter is a function ``(data, path) -> None`` that writes decoded images and labels to a path that does not exist
yet. Images are in 0..1, or, in the forms of other projects, in the space of training. To add one, add a module to this
package and a line to `EXPORTERS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from fredfmt.errors import ArgumentError, quoted
from fredfmt.exchange.exporters.dc import dc
from fredfmt.exchange.exporters.ddranking import ddranking
from fredfmt.exchange.exporters.mtt import mtt
from fredfmt.exchange.exporters.npz import npz
from fredfmt.exchange.exporters.parquet import parquet
from fredfmt.exchange.exporters.png import png
from fredfmt.exchange.exporters.safetensors import safetensors
from fredfmt.exchange.exporters.webdataset import webdataset
from fredfmt.model.data import FreDData
from fredfmt.storage.writing import replacing_path

Exporter: TypeAlias = Callable[[FreDData, Path], None]

EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {
        "npz": npz,
        "png": png,
        "safetensors": safetensors,
        "parquet": parquet,
        "webdataset": webdataset,
        "dc": dc,
        "mtt": mtt,
        "ddranking": ddranking,
    }
)
BY_SUFFIX: Mapping[str, str] = MappingProxyType(
    {
        "": "png",
        ".npz": "npz",
        ".safetensors": "safetensors",
        ".parquet": "parquet",
        ".tar": "webdataset",
        ".pt": "dc",
    }
)
"""The default form for each suffix of the target."""
IN_TRAINING = ("dc", "mtt", "ddranking")
"""Forms that store images in the space of training (normalised or whitened); the others store images in 0..1."""
WHITENED = ("mtt", "ddranking")
"""Forms that may hold whitened images, because the projects that read them also whiten."""

__all__ = ["BY_SUFFIX", "EXPORTERS", "IN_TRAINING", "WHITENED", "export"]


def export(data: FreDData, path: str | os.PathLike[str], *, to: str | None = None, force: bool = False) -> str:
    """Write the decoded images and labels of ``data`` to ``path``; returns a description of the space of the images.

    ``to`` names the form in `EXPORTERS`; by default it follows from the suffix of ``path`` (`BY_SUFFIX`); without one,
    ``path`` is a folder of ``png`` images. The write is atomic. Raises `ArgumentError` if the target exists, unless it
    is a file and ``force`` is set, or if the form cannot represent the data.

    >>> import numpy as np, fredfmt
    >>> from fredfmt.exchange.exporters import export
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> export(fredfmt.encode(images, [0, 0, 1, 1], k=20), "pets.npz")
    'in 0..1'
    >>> sorted(np.load("pets.npz"))
    ['class_names', 'images', 'labels', 'space']
    """
    path = Path(path)
    chosen = to or BY_SUFFIX.get(path.suffix, path.suffix)
    if not isinstance(chosen, str) or chosen not in EXPORTERS:
        raise ArgumentError(
            "unknown form of export",
            where=str(path),
            expected=f"one of {sorted(EXPORTERS)}",
            found=quoted(to or path.suffix),
        )
    if path.is_dir():
        raise ArgumentError("the folder exists already", where=str(path), hint="Choose another name or remove it")
    if path.exists() and not force:
        raise ArgumentError("exists already", where=str(path), hint="Use --force to replace it (force=True)")
    if data.metadata.whitening is not None and chosen not in WHITENED:
        raise ArgumentError(
            "the images are ZCA-whitened, which this form cannot record",
            expected=" or ".join(f"--to {name}" for name in WHITENED),
            found=chosen,
            hint="These forms keep whitened images; their readers must whiten test images with the same matrix (--zca)",
        )
    with replacing_path(path) as new:
        EXPORTERS[chosen](data, new)
    return _space(data, chosen)


def _space(data: FreDData, to: str) -> str:
    meta = data.metadata
    if meta.whitening is not None:
        return f"ZCA-whitened (epsilon {meta.whitening.epsilon:g}): test images must be whitened with the same matrix"
    if to not in IN_TRAINING or meta.normalization is None:
        return "in 0..1"
    mean, std = (
        ", ".join(f"{value:g}" for value in part) for part in (meta.normalization.mean, meta.normalization.std)
    )
    return f"normalised with mean {mean} and std {std}"
