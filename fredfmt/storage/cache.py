"""What was read from addresses, kept in a folder of the user: bytes in under their SHA-256, the same bytes out or none.

``files/`` holds each file under the SHA-256 of its bytes, ``addresses/`` for each address which of them was found there
last, and by which mark of the server one tells that it is still there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fredfmt.errors import SourceError

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
    """What is known of an address; None where that is nothing, or nothing sensible."""
    place = folder()
    if place is None:
        return None
    try:
        record = json.loads(_record(place, address).read_bytes())
        kept = Kept(str(record["file"]), str(record["digest"]), dict(record["mark"]))
        return kept if _SHA256.fullmatch(kept.file) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(kept: Kept) -> bytes | None:
    """The bytes that were kept, compared with their SHA-256; None, and the file is removed, if they are not they."""
    place = folder()
    if place is None:
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
    """Keep the bytes of an address. They must be verified: nobody looks at them again before they are used."""
    from fredfmt.storage.writing import replacing

    place = folder()
    if place is None:
        return
    kept = Kept(hashlib.sha256(content).hexdigest(), digest, dict(mark))
    try:
        for path, written in (
            (_file(place, kept.file), content),
            (_record(place, address), json.dumps(asdict(kept)).encode()),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as target:
                target.write(written)
    except OSError as error:
        raise SourceError(
            "the cache cannot be written",
            where=str(place),
            found=f"{type(error).__name__}: {error.strerror}",
            hint="Set FREDFMT_CACHE to another folder, or to none",
        ) from None


def _file(place: Path, sha256: str) -> Path:
    return place / "files" / f"{sha256}.fred"


def _record(place: Path, address: str) -> Path:
    return place / "addresses" / f"{hashlib.sha256(address.encode()).hexdigest()}.json"
