"""A folder that keeps files read from addresses, each verified by its SHA-256 when it is read again.

``files/`` holds each file under the SHA-256 of its bytes. ``addresses/`` holds one record per address: which file was
last found there, and the server's mark of that version. Each record is authenticated with the key of the cache, so
nobody else can write one that gives an address another file. Only the user can read or write the folder.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fredfmt.errors import FredError, printable
from fredfmt.model.limits import DEFAULT
from fredfmt.storage.partials import opened_at_once
from fredfmt.storage.writing import replacing

_log = logging.getLogger(__name__)

_FILES, _ADDRESSES, _KEY = "files", "addresses", "key"
_LONGEST_RECORD = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """The record of an address: what was found there when it was last read."""

    file: str
    """SHA-256 of its bytes, 64 hexadecimal digits."""
    digest: str
    """Its content digest."""
    mark: Mapping[str, str]
    """The server's identifiers of this version of the file (ETag or similar); empty if it gives none."""


def folder() -> Path | None:
    """``FREDFMT_CACHE``, or ``fredfmt`` in the user's cache folder; None (no cache) if the variable is ``none``."""
    setting = os.environ.get("FREDFMT_CACHE")
    if setting:
        return None if setting == "none" else Path(setting).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fredfmt" / "remote"


def recall(address: str) -> Kept | None:
    """The record of an address; None if there is none, or if `keep` did not write it for this address in this cache."""
    place = folder()
    if place is None or not _own(place):
        return None
    try:
        record = json.loads(_content(_record(place, address), _LONGEST_RECORD))
        kept = Kept(str(record["file"]), str(record["digest"]), dict(record["mark"]))
        sealed = hmac.compare_digest(str(record["seal"]), _seal(_key(place), address, kept))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return kept if sealed and _SHA256.fullmatch(kept.file) else None


def read(kept: Kept) -> bytes | None:
    """The bytes of a kept file. If their SHA-256 differs, the file is removed and the result is None."""
    place = folder()
    if place is None or not _own(place):
        return None
    path = _file(place, kept.file)
    try:
        content = _content(path, DEFAULT.file_bytes)
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() == kept.file:
        return content
    with suppress(OSError):
        path.unlink()
    return None


def keep(address: str, content: bytes, digest: str, mark: Mapping[str, str]) -> None:
    """Keep the bytes of an address. The caller must have verified them.

    If the cache cannot be written, or belongs to another user, the logger ``fredfmt.storage.cache`` warns.
    """
    place = folder()
    if place is None:
        return
    kept = Kept(hashlib.sha256(content).hexdigest(), digest, dict(mark))
    try:
        _make(place)
        if not _own(place):
            raise PermissionError(errno.EPERM, "the folder, or one in it, belongs to another user or is a link")
        record = {**asdict(kept), "seal": _seal(_key(place), address, kept)}
        for path, written in (
            (_file(place, kept.file), content),
            (_record(place, address), json.dumps(record).encode()),
        ):
            with replacing(path) as target:
                target.write(written)
    except (OSError, FredError) as error:
        why = printable(str(error)) if isinstance(error, FredError) else error.strerror
        hint = "set FREDFMT_CACHE to another folder, or to none"
        _log.warning("%s: the cache cannot be written, so nothing is kept: %s; %s", place, why, hint)


def _make(place: Path) -> None:
    """Make the folders of the cache and its key, accessible only to the user, whatever the umask."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for path in (place, place / _FILES, place / _ADDRESSES):
        with suppress(FileExistsError):
            path.mkdir(0o700)
            path.chmod(0o700)  # a umask can remove permissions that the user needs
    if not (place / _KEY).exists():
        with replacing(place / _KEY) as target:
            os.chmod(target.name, 0o600)
            target.write(secrets.token_bytes(32))


def _own(place: Path) -> bool:
    """Whether the cache and its folders are real folders of the user. Permissions of other users are removed."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        for path in (place.resolve(), place / _FILES, place / _ADDRESSES):
            status = path.lstat()
            if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
                return False
            if status.st_mode & 0o077 and path != place.resolve():
                path.chmod(0o700)
    except OSError:
        return False
    return True


def _key(place: Path) -> bytes:
    """The secret key with which the records of this cache are authenticated."""
    key = _content(place / _KEY, 32)
    if len(key) != 32 or (hasattr(os, "geteuid") and (place / _KEY).lstat().st_uid != os.geteuid()):
        raise PermissionError(errno.EPERM, f"{_KEY} is not the key of this cache: remove it")
    return key


def _content(path: Path, most: int) -> bytes:
    """The content of a file of at most ``most`` bytes. Raises `OSError` for a larger one, a link, a pipe or a
    device."""
    with open(path, "rb", opener=opened_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise OSError(errno.EINVAL, "not a file of the cache")
        return file.read(status.st_size)


def _seal(key: bytes, address: str, kept: Kept) -> str:
    """The authentication code of a record: it binds the address, the file and this cache."""
    message = json.dumps([address, asdict(kept)], sort_keys=True)
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def _file(place: Path, sha256: str) -> Path:
    return place / _FILES / f"{sha256}.fred"


def _record(place: Path, address: str) -> Path:
    return place / _ADDRESSES / f"{hashlib.sha256(address.encode()).hexdigest()}.json"
