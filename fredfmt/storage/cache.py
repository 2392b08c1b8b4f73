"""What was read from addresses, kept in a folder of the user: bytes in under their SHA-256, the same bytes out or none.

``files/`` holds each file under the SHA-256 of its bytes, ``addresses/`` for each address which of them was found there
last, and by which mark of the server one tells that it is still there. A record is sealed with the key of the cache, so
that nobody can plant one that makes an address stand for another file. All of it is for the user alone.
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
from fredfmt.storage.writing import replacing

_log = logging.getLogger(__name__)

_FILES, _ADDRESSES, _KEY = "files", "addresses", "key"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """What was found at an address when it was read last."""

    file: str
    """SHA-256 of its bytes, 64 hexadecimal digits."""
    digest: str
    """Its content digest."""
    mark: Mapping[str, str]
    """What the server calls this version of the file (ETag or the like); empty if it says nothing."""


def folder() -> Path | None:
    """``FREDFMT_CACHE``, else ``fredfmt`` in the user's cache folder; None where the variable says ``none``."""
    said = os.environ.get("FREDFMT_CACHE")
    if said:
        return None if said == "none" else Path(said).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fredfmt" / "remote"


def recall(address: str) -> Kept | None:
    """The record of an address; None if there is none, or if `keep` did not write it for this address here."""
    place = folder()
    if place is None or not _own(place):
        return None
    try:
        record = json.loads(_record(place, address).read_bytes())
        kept = Kept(str(record["file"]), str(record["digest"]), dict(record["mark"]))
        sealed = hmac.compare_digest(str(record["seal"]), _seal(_key(place), address, kept))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if sealed and _SHA256.fullmatch(kept.file) else None


def read(kept: Kept) -> bytes | None:
    """The bytes that were kept, compared with their SHA-256; None, and the file is removed, if they differ."""
    place = folder()
    if place is None or not _own(place):
        return None
    path = _file(place, kept.file)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() == kept.file:
        return content
    with suppress(OSError):
        path.unlink()
    return None


def keep(address: str, content: bytes, digest: str, mark: Mapping[str, str]) -> None:
    """Keep the bytes of an address. They must be verified: nobody looks at them again before they are used.

    If the cache cannot be written, or belongs to another user, the logger ``fredfmt.storage.cache`` warns.
    """
    place = folder()
    if place is None:
        return
    kept = Kept(hashlib.sha256(content).hexdigest(), digest, dict(mark))
    try:
        _make(place)
        if not _own(place):
            raise PermissionError(errno.EPERM, "it, or a folder in it, belongs to another user or is a link")
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
    """The folders of the cache and its key, for the user alone, whatever the umask."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for path in (place, place / _FILES, place / _ADDRESSES):
        with suppress(FileExistsError):
            path.mkdir(0o700)
            path.chmod(0o700)  # a umask can take away what the user needs
    if not (place / _KEY).exists():
        with replacing(place / _KEY) as target:
            os.chmod(target.name, 0o600)
            target.write(secrets.token_bytes(32))


def _own(place: Path) -> bool:
    """Whether the cache and its folders are real ones of the user; what others could write to is closed to them."""
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
    """The secret of this cache, without which nobody can make a record of it."""
    key = (place / _KEY).read_bytes()
    if len(key) != 32 or (hasattr(os, "geteuid") and (place / _KEY).lstat().st_uid != os.geteuid()):
        raise PermissionError(errno.EPERM, f"{_KEY} is not the key of this cache: remove it")
    return key


def _seal(key: bytes, address: str, kept: Kept) -> str:
    """What binds a record to its address, to its file and to this cache."""
    said = json.dumps([address, asdict(kept)], sort_keys=True)
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _file(place: Path, sha256: str) -> Path:
    return place / _FILES / f"{sha256}.fred"


def _record(place: Path, address: str) -> Path:
    return place / _ADDRESSES / f"{hashlib.sha256(address.encode()).hexdigest()}.json"
