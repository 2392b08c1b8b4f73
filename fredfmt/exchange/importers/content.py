"""`Content`: the values of a file and of the files that belong to it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fredfmt.data.sources.image_files import SUFFIXES
from fredfmt.data.sources.layout import class_folders
from fredfmt.errors import FredFileNotFoundError, SourceError, located
from fredfmt.exchange.importers.readers import READERS, form_of, is_stored
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits
from fredfmt.storage.reading import read_pieces

_IMAGES = re.compile(r"(?P<run>(?:.*[^A-Za-z0-9])?)(?P<ema>ema_)?images(?P<copy>_zca)?(?P<which>_best|_[0-9]+|)\.pt")
"""A name may begin with that of a run, as in FreD's experiment on corruptions: ``FreD_ipc1#images_best.pt``."""
_PREFERRED = ("images_best.pt", "ema_images_best.pt", "images.pt", "data.pt", "best.npz")


@dataclass(frozen=True)
class Content:
    """The value of a file and of its companions, as read."""

    path: Path
    form: str
    """A key of `fredfmt.exchange.importers.readers.READERS`, or ``folder``."""
    value: Any
    beside: Mapping[str, Any] = field(default_factory=dict)
    """The values of the files ``labels``, ``lr`` and ``mask`` that belong to this one."""
    files: tuple[dict[str, Any], ...] = ()
    """Name, size in bytes and SHA-256 of each file."""

    @property
    def unwhitened(self) -> bool:
        """Whether it is ``images_zca_N.pt``. Despite its name, that is MTT's copy with the whitening undone."""
        match = _IMAGES.fullmatch(self.path.name)
        return match is not None and match["copy"] is not None


def open_content(path: Path, *, labels_file: Path | None = None, limits: Limits = limits_.DEFAULT) -> Content:
    """Read the file at ``path``, or the file with the images in the folder ``path``, and the files that belong to it.

    ``labels_best.pt``, ``lr_best.pt`` and FreD's ``mask.pt`` belong to ``images_best.pt``, and similar files to
    ``images_500.pt``, ``images.pt`` and FTD's averages ``ema_images_best.pt``. A folder of class folders is one
    content.
    """
    if path.is_dir():
        inside = _inside(path)
        if inside is None:
            return Content(path, "folder", None)
        path = inside
    if not path.is_file():
        raise FredFileNotFoundError("no such file", where=str(path), hint="Check the path")
    files: list[dict[str, Any]] = []
    form, value = _read(path, files, limits)
    beside: dict[str, Any] = {}
    for role, place in _companions(path, labels_file).items():
        beside[role] = _read(place, files, limits)[1]
    return Content(path, form, value, beside, tuple(files))


def _inside(folder: Path) -> Path | None:
    """The file of a folder that holds the images; None for a folder with one folder of images per class."""
    names = [folder / name for name in _PREFERRED if (folder / name).is_file()][:1]
    names = names or sorted(folder.glob("res_*.pt")) or sorted(folder.glob("*images_best.pt"))
    there = [place for place in folder.iterdir() if not place.name.startswith(".")]
    names = names or [place for place in there if place.is_file() and is_stored(place.name)]
    if len(names) == 1:
        return names[0]
    if not names and any(map(_has_images, class_folders(folder))):
        return None
    inside = [place for place in there if place.is_dir() and any(map(is_stored, os.listdir(place)))]
    raise SourceError(
        "not exactly one file of the folder can hold the images",
        where=str(folder),
        expected="images_best.pt, images.pt, data.pt, one res_*.pt, one file of arrays, or images per class",
        found=", ".join(sorted(place.name for place in names or there)[:8]) or "nothing",
        hint=f"Name the folder of one run, such as {min(inside)}" if inside and not names else "Name the file itself",
    )


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def _companions(path: Path, labels_file: Path | None) -> dict[str, Path]:
    wanted: dict[str, Path] = {}
    if match := _IMAGES.fullmatch(path.name):
        ema = match["ema"] or ""
        if match["copy"] and not path.with_name(f"{match['run']}labels{match['which']}.pt").is_file():
            ema = "ema_"  # FTD names the copies of its averages as MTT does, but not their labels
        run, which = match["run"], match["which"]
        wanted = {role: path.with_name(f"{run}{ema}{role}{which}.pt") for role in ("labels", "lr")}
        wanted["mask"] = path.with_name(f"{run}mask.pt")
    if path.suffix == ".pt" and path.name != "mask.pt" and not ("mask" in wanted and wanted["mask"].is_file()):
        wanted["mask"] = path.with_name("mask.pt")
    there = {role: place for role, place in wanted.items() if place.is_file()}
    if labels_file is not None:
        if not labels_file.is_file():
            raise FredFileNotFoundError("no such file", where=str(labels_file), hint="Check --labels-file")
        there["labels"] = labels_file
    return there


def _read(path: Path, files: list[dict[str, Any]], limits: Limits) -> tuple[str, Any]:
    with located(path), open(path, "rb") as stream:
        content = read_pieces(stream, limits)
        files.append({"name": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
        form = form_of(content, path.name)
        return form, READERS[form](content, limits)
