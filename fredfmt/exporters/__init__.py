"""Taking a data set out of the format: a `FreDData` in, files that other programs read out.

An exporter is a function ``(data, path) -> None`` that writes decoded images and labels to a path that does not exist:
in 0..1, or, in the forms of other projects, in the space that the images are trained in. Adding one is adding a file
beside these and a line in `EXPORTERS`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from fredfmt.errors import ArgumentError
from fredfmt.exporters.dc import dc
from fredfmt.exporters.ddranking import ddranking
from fredfmt.exporters.mtt import mtt
from fredfmt.exporters.npz import npz
from fredfmt.exporters.parquet import parquet
from fredfmt.exporters.png import png
from fredfmt.exporters.safetensors import safetensors
from fredfmt.exporters.webdataset import webdataset
from fredfmt.model import FreDData
from fredfmt.storage import beside

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
"""The form that the name of the target stands for, where it stands for one."""

__all__ = ["BY_SUFFIX", "EXPORTERS", "export"]


def export(data: FreDData, path: str | os.PathLike[str], *, to: str | None = None) -> None:
    """Write the decoded images and labels of ``data`` to ``path``.

    ``to`` names the form in `EXPORTERS`; left out, the suffix of ``path`` tells (`BY_SUFFIX`), and a path without one
    is a folder of ``png`` images. The target appears whole or not at all. Raises `ArgumentError` if it exists, or if
    the form cannot hold the data.
    """
    path = Path(path)
    chosen = to or BY_SUFFIX.get(path.suffix, path.suffix)
    if chosen not in EXPORTERS:
        raise ArgumentError(
            "no such form of export",
            where=str(path),
            expected=f"one of {sorted(EXPORTERS)}",
            found=repr(to or path.suffix),
        )
    if path.exists():
        raise ArgumentError("exists already", where=str(path), hint="Choose another name or remove it")
    temporary = beside(path)
    try:
        EXPORTERS[chosen](data, temporary)
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)
