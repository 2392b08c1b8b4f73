"""Partial writes: hidden folders beside a target, each locked by the process that writes in it, and what kills leave.

A partial of ``x.fred`` is a folder ``.x.fred.TOKEN.partial`` of which only its owner can see the content. Whoever
writes in it holds a lock on it, which the system takes back when the process ends, however it ends. A partial that
nobody holds is stale: the next write to the same name takes it away.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from fredfmt.errors import FredFileNotFoundError

fcntl: Any = import_module("fcntl") if os.name == "posix" else None
"""The system's locks, where it has them."""

OLD = "old"
"""What a folder that is being replaced is called meanwhile, where the two cannot be exchanged in one step."""

_SUFFIX = ".partial"
_TOKEN = re.compile(r"[0-9a-f]{12}")
_LONGEST = 200
"""Bytes of a target's name that the name of its partial repeats."""
_STALE = 24 * 3600.0
"""Seconds after which a partial without a lock is stale: an older version left it, or the system has no locks."""

_WAITS, _WAIT = 200, 0.01
"""Times, and seconds each time, that a reader waits for what is being written in two steps."""


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A fresh folder beside ``target``, gone when the block ends; stale ones of that target are removed first."""
    for stale in partials(target):
        _remove_stale(stale, target)
    folder, handle = _make(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def partials(target: Path) -> list[Path]:
    """The partials of ``target`` that there are, in use or stale."""
    prefix = _prefix(target)
    try:
        names = os.listdir(target.parent)
    except OSError:
        return []
    return sorted(
        target.parent / name
        for name in names
        if name.startswith(prefix) and name.endswith(_SUFFIX) and _TOKEN.fullmatch(name[len(prefix) : -len(_SUFFIX)])
    )


def status_of(path: Path) -> os.stat_result:
    """`os.stat`, which waits for a folder that is being replaced where that takes two steps.

    Raises `FredFileNotFoundError` if there is no such path.
    """
    for _ in range(_WAITS):
        with suppress(FileNotFoundError):
            return path.stat()
        if len(stale_partials(path)) == len(partials(path)):
            break
        time.sleep(_WAIT)
    raise FredFileNotFoundError("no such file", hint="Check the path")


def stale_partials(target: Path) -> list[Path]:
    """The partials of ``target`` that no process writes in any more."""
    stale = []
    for path in partials(target):
        with suppress(OSError), _held(path) as free:
            if free:
                stale.append(path)
    return stale


def _prefix(target: Path) -> str:
    name = target.name
    if len(os.fsencode(name)) > _LONGEST:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        name = os.fsencode(name)[: _LONGEST - len(digest)].decode(errors="ignore") + digest
    return f".{name}."


def _make(target: Path) -> tuple[Path, int | None]:
    """A fresh folder and the handle that holds its lock, if there are locks."""
    while True:
        folder = target.with_name(f"{_prefix(target)}{secrets.token_hex(6)}{_SUFFIX}")
        os.mkdir(folder, 0o700)
        if fcntl is None:
            return folder, None
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # taken for stale before it was locked
            continue
        with suppress(OSError):  # a file system without locks; age decides there
            fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(folder)):
                return folder, handle
        os.close(handle)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Whether a partial is stale; while the block runs nobody else takes it for that."""
    found = os.lstat(path)
    old = time.time() - found.st_mtime > _STALE
    if fcntl is None or not stat.S_ISDIR(found.st_mode):
        yield old
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        except OSError:
            yield old
        else:
            yield True
    finally:
        os.close(handle)


def _remove_stale(path: Path, target: Path) -> None:
    """Take away a partial that is stale and the user's own; a folder that it held for its target goes back first."""
    with suppress(OSError):
        if hasattr(os, "geteuid") and os.lstat(path).st_uid != os.geteuid():
            return
        with _held(path) as stale:
            if not stale:
                return
            if (path / OLD).exists() and not target.exists():
                os.rename(path / OLD, target)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
