"""Atomic writes: a file or folder is written in a partial in the folder of its target, synced and renamed."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fredfmt.errors import ArgumentError, FredFileNotFoundError, access_explained
from fredfmt.storage.containers import directory
from fredfmt.storage.partials import OLD, check_path, partial

_ATTEMPTS = 100
"""How often a writer tries to replace a folder that other writers replace at the same time."""
_REFUSED = "cannot be written"
_NAME_BYTES = 255


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that replaces ``path`` when the block ends without an error, and is removed otherwise.

    The mode of an existing file is kept; a symbolic link is followed and kept. Raises `ArgumentError` if ``path`` is
    something other than a file, and `AccessError` if the operating system refuses.
    """
    with replacing_path(path) as new, open(new, "x+b") as stream:
        _keep_mode(new, _target(path))
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """As `replacing`, but yields the path at which the block makes a file or a folder; only a file can be replaced."""
    check_target(path)
    target = _target(path)
    with access_explained(_REFUSED, path):
        with partial(target) as folder:
            yield folder / "new"
            os.replace(folder / "new", target)
        _sync(target.parent)


def replace_directory(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write a dataset as a folder of files at ``path``, in place of an earlier dataset if there is one.

    The two are exchanged in one step, if the system supports it, so that a reader finds either the old or the new
    dataset. Raises `ArgumentError` if ``path`` is anything else, and leaves that unchanged.
    """
    check_target(path, dataset=True)
    target = _target(path)
    with access_explained(_REFUSED, path):
        with partial(target) as folder:
            new = folder / "new"
            directory.write(new, entries)
            _keep_mode(new, target)
            _put(new, target, folder / OLD)
        _sync(target.parent)


def check_target(path: Path, *, dataset: bool = False) -> None:
    """Raise the error that writing to ``path`` would raise, as far as it can be known before.

    Its folder must exist and be writable. An existing file can be replaced by a file, and a ``.fred.zarr`` folder by
    another dataset (``dataset``).
    """
    check_path(path)
    with access_explained(_REFUSED, path):
        target = _target(path)
        if not target.parent.is_dir():
            raise FredFileNotFoundError("no such folder", where=str(target.parent), hint="Make it first")
        if len(os.fsencode(target.name)) > _NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mode = None
        if not os.access(target.parent, os.W_OK):
            number = errno.EROFS if os.statvfs(target.parent).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(number, os.strerror(number))
    if mode is None:
        return
    if dataset and stat.S_ISDIR(mode):
        if _free_for_a_dataset(target):
            return
        what = "a folder that is not a dataset, or holds more than one, is in the way"
    elif stat.S_ISDIR(mode):
        what = "a folder is in the way"
    elif dataset or not stat.S_ISREG(mode):
        what = "a file is in the way" if stat.S_ISREG(mode) else "neither a file nor a folder"
    else:
        return
    raise ArgumentError(what, where=str(path), hint="Nothing was changed: choose another name, or remove it")


def _free_for_a_dataset(target: Path) -> bool:
    """Whether a folder holds only a dataset, or no longer exists; checked again if another writer replaced the folder
    during the check."""
    for _ in range(_ATTEMPTS):
        before = _identity(target)
        if before is None:
            return True
        try:
            held = directory.holds_only_a_dataset(target)
        except FileNotFoundError:
            continue
        if held or _identity(target) == before:
            return held
    raise OSError(errno.EBUSY, "other writers replace it all the time")


def _identity(folder: Path) -> tuple[int, int] | None:
    """The device and inode of the folder at a path; None if there is none."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _target(path: Path) -> Path:
    """The target of a path after symbolic links."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _keep_mode(new: Path, target: Path) -> None:
    """Give ``new`` the mode of what it replaces, if anything: other writers may move that away at any moment."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    os.chmod(new, stat.S_IMODE(mode))


def _put(new: Path, target: Path, old: Path) -> None:
    """Move a folder to ``target``; an existing dataset is moved to the same partial."""
    for _ in range(_ATTEMPTS):
        if target.exists():
            check_target(target, dataset=True)
            if exchange(new, target):
                return
        try:
            os.rename(new, target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _move_away(target, old)
    raise OSError(errno.EBUSY, "other writers replace it all the time")


def _move_away(target: Path, old: Path) -> None:
    """Move the old folder away, where two folders cannot be exchanged: for a moment there is none, and readers wait."""
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):  # another writer moved it at the same time
        os.rename(target, old)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False if that is not supported, or if one no longer exists."""
    if sys.platform not in ("linux", "darwin"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        here, exchange = -100, 2
        status = library.renameat2(here, names[0], here, names[1], exchange)
    elif hasattr(library, "renamex_np"):
        status = library.renamex_np(*names, 2)
    else:
        return False
    number = ctypes.get_errno()
    if status and number not in (errno.ENOENT, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        raise OSError(number, os.strerror(number))
    return not status


def _sync(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
