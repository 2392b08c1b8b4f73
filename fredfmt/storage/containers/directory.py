"""Entries as a directory tree, `.fred.zarr`: one regular file an entry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fredfmt.errors import FormatError
from fredfmt.model import limits as limits_
from fredfmt.storage.containers.names import check_name


def write(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write every entry below ``path``, which must not exist, and sync it to disk."""
    for name, content in entries.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def read(path: Path, *, limits: limits_.Limits = limits_.DEFAULT) -> tuple[dict[str, bytes], int]:
    """All entries below ``path`` and their total size. Links and anything but plain files are refused."""
    files: dict[str, os.DirEntry[str]] = {}
    folders = [("", str(path))]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as found:
            for entry in found:
                name = check_name(prefix + entry.name)
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{name}/", entry.path))
                elif entry.is_file(follow_symlinks=False):
                    files[name] = entry
                else:
                    raise FormatError(
                        "neither a plain file nor a folder", where=name, hint="Links are not followed", rule="FRED-410"
                    )
                limits_.check(len(files) + len(folders), limits.entries, "the number of files", name="entries")
    size = sum(entry.stat(follow_symlinks=False).st_size for entry in files.values())
    limits_.check(size, limits.file_bytes, "the size of the files", name="file_bytes")
    return {name: Path(entry.path).read_bytes() for name, entry in sorted(files.items())}, size
