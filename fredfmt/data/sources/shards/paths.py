"""Finds the shards of each split from a path or a pattern."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

from fredfmt.data.sources.layout import listed, split_of
from fredfmt.errors import SourceError

_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_MOST = 1_000_000
"""The largest number of paths that braces may expand to."""


@dataclass(frozen=True)
class Shards:
    """The files of one dataset."""

    train: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    """The files of the test split; empty if a part of the train split is held out."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Other files that were found, which are not read, with the number of each kind."""


def find_shards(where: str, suffix: str, test: str | None = None) -> Shards:
    """The files that ``where`` names: a file, a folder with files ``*<suffix>`` at any depth, or a pattern for such
    paths.

    In a pattern ``*``, ``?``, ``[...]`` and ``**`` have their usual meaning, and braces expand to lists (``{a,b}``) and
    ranges (``{000..146}``). With ``test``, which is also such a name, its files are the test split and all others the
    train split. Otherwise the splits follow from the names (``train-00000-of-00005.parquet``, ``val/0001.tar``); a test
    split is preferred to a validation split. If the names mean a single split or none, all files are the train split.
    Raises `SourceError` for a name without files, or splits without a train split.
    """
    files = _files(where, suffix)
    if test is not None:
        held = _files(test, suffix)
        return Shards(tuple(file for file in files if file not in set(held)) or _no_train(where, files), tuple(held))
    root = Path(os.path.commonpath([file.parent for file in files]))
    splits: dict[str | None, list[Path]] = {}
    for file in files:
        splits.setdefault(_split(file.relative_to(root)), []).append(file)
    if len(splits) == 1:
        return Shards(tuple(files))
    if "train" not in splits:
        _no_train(where, files)
    chosen = next((split for split in ("test", "validation") if split in splits), None)
    left_out = {
        f"shards of the {split} split" if split else "shards of no split": len(found)
        for split, found in splits.items()
        if split not in ("train", chosen)
    }
    return Shards(tuple(splits["train"]), tuple(splits[chosen]) if chosen else (), left_out)


def braces(pattern: str) -> Iterator[str]:
    """The names to which a pattern with braces expands.

    >>> list(braces("{train,val}-{08..10}.tar"))[:4]
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar']
    """
    start = pattern.find("{")
    end = next((place for place in range(start, len(pattern)) if _depth(pattern[start : place + 1]) == 0), start)
    if start < 0 or end == start:
        yield pattern
        return
    inner, commas = pattern[start + 1 : end], [-1]
    commas += [place for place, letter in enumerate(inner) if letter == "," and _depth(inner[:place]) == 0]
    parts = [inner[first + 1 : last] for first, last in pairwise([*commas, len(inner)])]
    counted = _RANGE.fullmatch(inner)
    if counted:
        digits = len(counted[1]) if counted[1].startswith("0") else 0
        choices = (f"{number:0{digits}}" for number in range(int(counted[1]), int(counted[2]) + 1))
    else:
        choices = (
            (one for part in parts for one in braces(part))
            if len(parts) > 1
            else (f"{{{one}}}" for one in braces(inner))
        )
    rest = pattern[end + 1 :]
    for choice in choices:
        for tail in braces(rest):
            yield pattern[:start] + choice + tail


def _depth(text: str) -> int:
    return text.count("{") - text.count("}")


def _files(where: str, suffix: str) -> list[Path]:
    """The files, each once: sorted if a folder or a wildcard names them, else in the order of the braces."""
    if "://" in where or where.startswith("pipe:"):
        raise SourceError(
            "remote shards cannot be read",
            where=where,
            expected="a local path",
            hint="Copy them here, or give hf:NAME",
        )
    place = os.path.expanduser(where)
    names = [place] if os.path.exists(place) else list(islice(braces(place), _MOST + 1))
    if len(names) > _MOST:
        raise SourceError("braces expand to too many paths", where=where, expected=f"at most {_MOST:,}")
    files: dict[Path, None] = {}
    for name in names:
        files |= dict.fromkeys(_matching(name, suffix))
    if not files:
        raise SourceError("no shards", where=where, expected="files, or a folder of shards; ranges in braces ascend")
    return list(files)


def _matching(name: str, suffix: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        inside = path.rglob(f"*{suffix}")
        found = [file for file in inside if file.is_file() and not _hidden(file.relative_to(path))]
        expected = f"files *{suffix}"
    elif path.exists() or not glob.has_magic(name):
        found = [path] if path.is_file() else []
        expected = "a file or a folder"
    else:
        found = [Path(one) for one in glob.iglob(name, recursive=True) if os.path.isfile(one)]
        expected = "files that match the pattern"
    if not found:
        raise SourceError("no shards found", where=name, expected=expected, hint="Check the path")
    return sorted(found)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _split(path: Path) -> str | None:
    """The split that a file's name means, or else the name of the nearest folder."""
    splits = (split_of(name, whole=False) for name in (path.stem, *reversed(path.parts[:-1])))
    return next((split for split in splits if split), None)


def _no_train(where: str, files: list[Path]) -> tuple[Path, ...]:
    raise SourceError(
        "no train shards",
        where=where,
        expected="files or folders with train in their names",
        found=listed([file.name for file in files]),
        hint="Give the train shards as PATH and the others as #test=PATH",
    )
