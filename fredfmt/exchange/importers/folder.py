"""A folder of image files with one folder per class, as SRe2L, RDED, D4M and others write it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fredfmt.data.sources.coded import Files
from fredfmt.data.sources.image_files import ImageFiles
from fredfmt.data.sources.layout import class_folders
from fredfmt.data.sources.listing import list_classes
from fredfmt.errors import SourceError
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts
from fredfmt.exchange.importers.found import Found
from fredfmt.model import limits as limits_


def _refuse_links(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_symlink():
            raise SourceError("a link", where=str(path), hint="Copy the folder with its files (cp -rL)")


def folder(content: Content, facts: Facts) -> Found | None:
    """All images of ``PATH/<class>/``, grey or RGB, with the folders' names as classes. Links are refused, because an
    untrusted folder must not read files outside of it."""
    if content.form != "folder":
        return None
    _refuse_links(class_folders(content.path))
    listing = list_classes(content.path)
    listing.require(range(len(listing.classes)), content.path)
    _refuse_links({place for path in listing.paths for place in (path, *path.parents) if content.path in place.parents})
    first = np.unique(listing.labels, return_index=True)[1].tolist()
    files = ImageFiles(Files(listing.paths), size=facts.size, samples=first)
    size = int(np.prod(files.shape)) * 4
    limits_.check(size, limits_.DEFAULT.decoded_bytes, "all images", name="decoded_bytes")
    return Found(files[np.arange(len(files))], listing.labels, unit=True, whitened=False, classes=listing.classes)
