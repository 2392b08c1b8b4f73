"""Advice for an imported file: how it could be smaller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGER = 1.5
"""A warning is given for a file of more than this many times the bytes of its source."""


def size_warnings(notes: Mapping[str, Any], stored: int) -> tuple[str, ...]:
    """A warning if a file of ``stored`` bytes is much larger than its source, which the import described by ``notes``,
    ``metadata.ext["fredfmt.import"]``.

    >>> size_warnings({"files": [{"bytes": 1000}]}, 1500)
    ()
    >>> size_warnings({"files": [{"bytes": 1000}], "factor": 2}, 4200)[0].partition("; ")[0]
    'this is 4.2 times the 1,000 bytes of its source: each image was divided into 4 pictures, enlarged to its size'
    """
    before = sum(entry["bytes"] for entry in notes["files"])
    if not before or stored <= _LARGER * before:
        return ()
    factor = notes.get("factor", 1)
    packed = f": each image was divided into {factor**2} pictures, enlarged to its size" if factor > 1 else ""
    advice = "--transform dct with --k and --step makes a smaller file and reports the error"
    return (f"this is {stored / before:.1f} times the {before:,} bytes of its source{packed}; {advice}",)
