"""`Content`: a path in, the values of the file there and of those that belong to it out."""

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
"""With the name of a run in front, as FreD's experiment on corruptions has it: ``FreD_ipc1#images_best.pt``."""
_PREFERRED = ("images_best.pt", "ema_images_best.pt", "images.pt", "data.pt", "best.npz")


@dataclass(frozen=True)
class Content:
    """The value of a file and of its companions, as readers gave them."""

    path: Path
    form: str
    """A key of `fredfmt.exchange.importers.readers.READERS`, or ``folder``."""
    value: Any
    beside: Mapping[str, Any] = field(default_factory=dict)
    """``labels``, ``lr`` and ``mask``, where such files belong to this one."""
    files: tuple[dict[str, Any], ...] = ()
    """Name, bytes and sha256 of each."""

    @property
    def unwhitened(self) -> bool:
        """Whether it is ``images_zca_N.pt``: against its name, the copy from which MTT took the whitening away."""
        match = _IMAGES.fullmatch(self.path.name)
        return match is not None and match["copy"] is not None


def open_content(path: Path, *, labels_file: Path | None = None, limits: Limits = limits_.DEFAULT) -> Content:
    """Read the file at ``path``, or the one in the folder there that holds the images, and the files beside it.

    Beside ``images_best.pt`` belong ``labels_best.pt`` and ``lr_best.pt``, and FreD's ``mask.pt``; likewise for
    ``images_500.pt``, ``images.pt`` and FTD's averages ``ema_images_best.pt``. A folder of class folders is taken as it
    is.
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
    """The file of a folder that holds the images; None where it is a folder of images per class."""
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
        "which file of the folder holds the images is not clear",
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
            ema = "ema_"  # FTD calls the copies of its averages as MTT does, their labels not
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
