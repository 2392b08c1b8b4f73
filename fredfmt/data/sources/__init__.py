"""Real images: opens a `Source` by its name or path.

A source is a function ``(request) -> Source``. It finds its files, downloads them if that is possible and allowed, and
otherwise raises one error that says what to do. To add one, add a module to this package and a line to `SOURCES`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from fredfmt.codec.whitening import ZCA
from fredfmt.data.sources.digits import open_digits
from fredfmt.data.sources.folder import open_folder
from fredfmt.data.sources.idx import open_idx
from fredfmt.data.sources.imagenette import open_imagenette
from fredfmt.data.sources.npz import open_npz
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.shards.hf import open_hf
from fredfmt.data.sources.shards.parquet import open_parquet_shards
from fredfmt.data.sources.shards.webdataset import open_webdataset
from fredfmt.data.sources.source import Source, expect_source
from fredfmt.data.sources.tiny_imagenet import open_tiny_imagenet
from fredfmt.data.sources.torchvision_sets import open_torchvision
from fredfmt.errors import ArgumentError, access_explained, quoted
from fredfmt.model.arguments import lengths_of

SOURCES: Mapping[str, Callable[[Request], Source]] = MappingProxyType(
    {
        "digits": open_digits,
        "mnist": open_idx,
        "fashion-mnist": open_idx,
        "kmnist": open_idx,
        "svhn": open_torchvision,
        "cifar10": open_torchvision,
        "cifar100": open_torchvision,
        "tiny-imagenet": open_tiny_imagenet,
        "imagenette": open_imagenette,
        "folder": open_folder,
        "npz": open_npz,
        "parquet": open_parquet_shards,
        "webdataset": open_webdataset,
        "hf": open_hf,
    }
)
_ARGUMENTS = {"folder": "PATH", "npz": "PATH", "parquet": "PATH", "webdataset": "PATH", "hf": "NAME"}
"""The text that each source expects after the colon; sources without one have no entry."""

__all__ = ["SOURCES", "ZCA", "Source", "expect_source", "open_source"]


def open_source(
    spec: str,
    *,
    split: str = "train",
    data_root: str | os.PathLike[str] | None = None,
    download: bool = True,
    size: int | tuple[int, int] | None = None,
    classes: Sequence[str | int] | None = None,
    check: Callable[[tuple[int, ...]], object] | None = None,
) -> Source:
    """Open one split of a dataset of real images.

    Parameters
    ----------
    spec
        A name in `SOURCES`. ``folder``, ``npz``, ``parquet`` and ``webdataset`` are followed by ``:PATH``, ``hf`` by
        ``:NAME``. The last three accept options after that, such as ``#label=fine_label``. ``digits`` is part of the
        package.
    split
        ``train`` or ``test``. If the only other labelled split of a dataset is called val, it is the test split.
    data_root
        Folder of downloaded datasets, also the target of new downloads; by default one in the user's cache.
    download
        Whether a dataset that is not found may be downloaded (through torchvision).
    size
        Height and width to which image files are resized, with a central crop; an integer means a square. Other sources
        have a fixed size.
    classes
        Names or numbers of the classes to open; None: all. See `Source.of_classes`. Other classes may have no images.
    check
        Called with the spatial shape as soon as it is known, before all images are read to measure their normalisation.
        It may raise to stop the call.

    Raises
    ------
    SourceError
        If the source is unavailable (the message says what to do) or damaged (the message names the file).
    AccessError
        If the operating system refuses to read it.
    ArgumentError
        For an unknown name or split, or an unusable size.

    Examples
    --------
    >>> import fredfmt
    >>> digits = fredfmt.open_source("digits", classes=["3", "5"])
    >>> digits.images.shape, digits.classes
    ((265, 1, 8, 8), ('3', '5'))
    """
    name, _, argument = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if name not in SOURCES or (argument and name not in _ARGUMENTS):
        names = [f"{known}:{_ARGUMENTS[known]}" if known in _ARGUMENTS else known for known in SOURCES]
        raise ArgumentError("no such source", expected=f"one of {', '.join(names)}", found=quoted(spec))
    if not isinstance(split, str) or split not in ("train", "test"):
        raise ArgumentError("no such split", where=spec, expected="train or test", found=quoted(split))
    height, width = (None, None) if size is None else lengths_of("size", size, 2, where=spec)
    sides = None if height is None or width is None else (height, width)
    if not isinstance(data_root, str | os.PathLike | None):
        raise ArgumentError("unusable data_root", where=spec, expected="a path", found=quoted(data_root))
    root = None if data_root is None else Path(data_root).expanduser()
    request = Request(name, argument, split, root, download, sides, classes, check)
    with access_explained("cannot be read", spec):
        source = SOURCES[name](request)
    return source if classes is None else source.of_classes(classes)
