"""Names of entries: relative paths of lower-case ASCII without ``.`` and ``..`` parts; and their order."""

from __future__ import annotations

import re

from fredfmt.errors import FormatError, quoted

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*")
LONGEST = 255
ROOT = "zarr.json"
"""The root document."""


def place(name: str) -> tuple[bool, str]:
    """What entries are sorted by: the root comes first, the others by name."""
    return name != ROOT, name


def check_name(name: bytes | str) -> str:
    """The name as text. Raises `FormatError` for a name that the format does not allow."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    if len(text) > LONGEST or not _NAME.fullmatch(text):
        raise FormatError(
            "an entry has an unusable name", expected=_NAME.pattern, found=quoted(text[:80]), rule="FRED-403"
        )
    return text
