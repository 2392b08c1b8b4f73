"""Files and folders that appear whole or not at all: written beside their place, synced and renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fredfmt.errors import FredFileNotFoundError
from fredfmt.storage.containers import directory


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of ``path`` when the block ends well, and leaves no trace when not."""
    temporary = beside(path)
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def replace_directory(path: Path, entries: dict[str, bytes]) -> None:
    """A folder of files that takes the place of ``path``."""
    temporary = beside(path)
    try:
        directory.write(temporary / "new", entries)
        if path.exists() or path.is_symlink():
            os.replace(path, temporary / "old")
        os.replace(temporary / "new", path)
    finally:
        if not path.exists() and (temporary / "old").exists():
            os.replace(temporary / "old", path)
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(path.parent)


def beside(path: Path) -> Path:
    """A fresh hidden name in the folder of ``path``, to write to before renaming."""
    if not path.parent.is_dir():
        raise FredFileNotFoundError("no such folder", where=str(path.parent), hint="Make it first")
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")


def _sync(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
