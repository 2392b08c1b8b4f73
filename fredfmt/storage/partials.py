"""Temporary folders of writes in progress, each locked by the process that writes, and how stale ones are removed.

A partial of ``x.fred`` is a folder ``.x.fred.TOKEN.partial`` in the same folder that only its owner can read. The
process that writes in it holds a lock on it, which the system releases when the process ends, also when it is killed. A
partial without a lock is stale: the next write to the same name removes it.
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

from fredfmt.errors import ArgumentError, FredFileNotFoundError, quoted

fcntl: Any = import_module("fcntl") if os.name == "posix" else None
"""The system's file locks; None where it has none."""

OLD = "old"
"""The temporary name of the old folder while it is replaced, on systems that cannot exchange two folders in one
step."""

_SUFFIX = ".partial"
_TOKEN = re.compile(r"[0-9a-f]{12}")
_LONGEST = 200
"""The number of bytes of a target's name that the name of its partial repeats."""
_STALE = 24 * 3600.0
"""Seconds after which a partial is stale if no lock protects it: an older version made it, or there are no locks."""

_WAITS, _WAIT = 200, 0.01
"""How often, and how many seconds each time, a reader waits for a folder that is replaced in two steps."""


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A new folder next to ``target``, removed when the block ends; stale partials of that target are removed first."""
    for stale in partials(target):
        _remove_stale(stale, target)
    folder, handle = _make(target)
    try:
        yield folder
    finally:
        _remove(folder)
        if handle is not None:
            os.close(handle)


def partials(target: Path) -> list[Path]:
    """The existing partials of ``target``, in use or stale."""
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
    """As `os.stat`, but waits for a folder that is being replaced in two steps.

    Raises `FredFileNotFoundError` if there is no such path.
    """
    check_path(path)
    for _ in range(_WAITS):
        with suppress(FileNotFoundError):
            return path.stat()
        if len(stale_partials(path)) == len(partials(path)):
            break
        time.sleep(_WAIT)
    raise FredFileNotFoundError("no such file", hint="Check the path")


def opened_at_once(name: str, flags: int) -> int:
    """An opener for `open` that does not wait for the other end of a pipe, and follows no link."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def check_path(path: Path) -> None:
    """Raise `ArgumentError` for what cannot be a path: a null character in it, or half a surrogate pair.

    >>> check_path(Path("x\\0.fred"))
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: not a possible path; found 'x\\x00.fred'
    """
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ArgumentError("not a possible path", found=quoted(str(path)))


def stale_partials(target: Path) -> list[Path]:
    """The partials of ``target`` that no process writes in."""
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
    """A new folder and the handle that holds its lock, if locks are available."""
    while True:
        folder = target.with_name(f"{_prefix(target)}{secrets.token_hex(6)}{_SUFFIX}")
        os.mkdir(folder, 0o700)
        if fcntl is None:
            return folder, None
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process removed it as stale before it was locked
            continue
        with suppress(OSError):  # a file system without locks: the age decides
            fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(folder)):
                return folder, handle
        os.close(handle)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Whether a partial is stale; during the block no other process can treat it as stale."""
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


def _remove(folder: Path) -> None:
    """Remove a folder as far as possible."""
    with suppress(RecursionError):  # other programs can nest folders more deeply than Python calls functions
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(path: Path, target: Path) -> None:
    """Remove a stale partial of this user; the old folder of its target that it holds is moved back first."""
    with suppress(OSError):
        if hasattr(os, "geteuid") and os.lstat(path).st_uid != os.geteuid():
            return
        with _held(path) as stale:
            if not stale:
                return
            if (path / OLD).exists() and not target.exists():
                os.rename(path / OLD, target)
            if path.is_dir() and not path.is_symlink():
                _remove(path)
            else:
                path.unlink()
