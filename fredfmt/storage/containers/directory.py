"""Entries as a directory tree, `.fred.zarr`: one regular file per entry."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from fredfmt.errors import FormatError, access_explained
from fredfmt.model import limits as limits_
from fredfmt.model.data import ARRAYS
from fredfmt.storage.containers.names import ROOT, check_name
from fredfmt.storage.partials import opened_at_once, status_of

_BEGINNING = b'{"attributes":{"fred":'
_DEEPEST = 8
"""Levels of folders in which a dataset is looked for; it has five."""
_ATTEMPTS = 1000
"""How often reading starts again because the directory was replaced meanwhile."""


def write(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write every entry below ``path``, which must not exist, and sync it to disk."""
    folders = {path}
    for name, content in entries.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        folders |= {folder for folder in target.parents if folder.is_relative_to(path)}
        with open(target, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def read(path: Path, *, limits: limits_.Limits = limits_.DEFAULT) -> tuple[dict[str, bytes], int]:
    """All entries below ``path`` and their total size. If the directory is replaced meanwhile, all of them are of the
    old or all of the new one. Links, empty folders and special files are refused.
    """
    for _ in range(_ATTEMPTS):
        with access_explained("cannot be read"):
            status_of(path)
            try:
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                return _read(handle, path, limits)
            except (OSError, FormatError):
                if _is_at(handle, path):
                    raise
            finally:
                os.close(handle)
    raise FormatError(
        "the folder was replaced each time that it was read", hint="Try again when the other writers have finished"
    )


def holds_only_a_dataset(path: Path) -> bool:
    """Whether a folder holds a dataset, valid or damaged, and no other files."""
    root = path / ROOT
    try:
        if not stat.S_ISREG(root.lstat().st_mode):
            return False
        with open(root, "rb", opener=opened_at_once) as file:
            beginning = file.read(len(_BEGINNING))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return beginning == _BEGINNING and _tops_of_files(path) <= {ROOT, *ARRAYS}


def _tops_of_files(path: Path) -> set[str]:
    """The first parts of the names of all files below a folder, and of all folders that are nested too deeply for a
    dataset."""
    found = set()
    folders = [Path()]
    while folders:
        below = folders.pop()
        with os.scandir(path / below) as entries:
            for entry in entries:
                name = below / entry.name
                if not entry.is_dir(follow_symlinks=False):
                    found.add(name.parts[0])
                elif len(name.parts) < _DEEPEST:
                    folders.append(name)
                else:
                    found.add(str(name))
    return found


def _read(handle: int, path: Path, limits: limits_.Limits) -> tuple[dict[str, bytes], int]:
    sizes: dict[str, int] = {}
    for name, size in _files(handle):
        sizes[name] = size
        limits_.check(len(sizes), limits.entries, "the number of files", name="entries")
    if not _is_at(handle, path):  # another process may have deleted a listed file
        raise FileNotFoundError
    total = sum(sizes.values())
    limits_.check(total, limits.file_bytes, "the size of the files", name="file_bytes")
    for name, size in sizes.items():
        if name.split("/")[-1] == ROOT:
            limits_.check_document(size, limits, where=name)
    return {name: _content(handle, name, size) for name, size in sorted(sizes.items())}, total


def _files(handle: int, prefix: str = "") -> Iterator[tuple[str, int]]:
    """The names and sizes of all files below an open directory."""
    empty = True
    with os.scandir(handle) as found:
        for entry in found:
            empty, name = False, check_name(prefix + entry.name)
            if entry.is_dir(follow_symlinks=False):
                below = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
                try:
                    yield from _files(below, f"{name}/")
                finally:
                    os.close(below)
            elif entry.is_file(follow_symlinks=False):
                yield name, entry.stat(follow_symlinks=False).st_size
            else:
                raise FormatError(
                    "neither a plain file nor a folder", where=name, hint="Links are not followed", rule="FRED-410"
                )
    if prefix and empty:
        raise FormatError("the folder is empty", where=prefix.rstrip("/"), expected="files", rule="FRED-410")


def _content(handle: int, name: str, size: int) -> bytes:
    """The content of the file of that name, which must still be a file of that size."""
    below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    with open(below, "rb") as file:
        content = file.read(size) if stat.S_ISREG(os.fstat(below).st_mode) else b""
    if len(content) != size:
        raise FormatError(
            "the file changed while it was read", where=name, expected=f"{size} bytes", found=len(content)
        )
    return content


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open directory is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
