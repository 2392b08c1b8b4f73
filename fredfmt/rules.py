"""The rules of the specification by number: which level each belongs to, and whether breaking it is an error.

``spec/fred-1.0.md`` has their text; a test holds this list against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["metadata", "structure", "integrity", "values"]
Severity: TypeAlias = Literal["error", "warning"]

_LEVELS: Mapping[Level, str] = {
    "metadata": "101 110 111 112 113 114 115 116 117 118 119 120 121",
    "structure": "201 202 203 204 205 206 207 208 209 210 211 303 400 401 402 403 404 410 501 502 503 505"
    " 602 603 604 605",
    "integrity": "405 504 601 701 702 703",
    "values": "301",
}
_WARNINGS: Mapping[Level, str] = {"metadata": "901 902 903 904", "structure": "905 906"}

RULES: Mapping[str, tuple[Level, Severity]] = MappingProxyType(
    {f"FRED-{number}": (level, "error") for level, numbers in _LEVELS.items() for number in numbers.split()}
    | {f"FRED-{number}": (level, "warning") for level, numbers in _WARNINGS.items() for number in numbers.split()}
)
"""Rule to level and severity."""
