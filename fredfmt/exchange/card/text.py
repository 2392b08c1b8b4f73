"""Escapes untrusted text (class names, sources, citations) for YAML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$@]|:(?=/)|(?<=www)\.|^[-+=]", re.IGNORECASE)
_MARKS = {"\\": "\\\\", '"': '\\"'}


def yaml(document: Mapping[str, Any]) -> str:
    """A YAML document of mappings, lists, strings, numbers and booleans; every string is quoted."""
    return "".join(_yaml(document, ""))


def _yaml(value: Any, indent: str) -> list[str]:
    lines = []
    if isinstance(value, Mapping):
        for key, part in value.items():
            nested = isinstance(part, Mapping) or (isinstance(part, Sequence) and not isinstance(part, str))
            lines += (
                [f"{indent}{key}:\n", *_yaml(part, indent + "  ")] if nested else [f"{indent}{key}: {_scalar(part)}\n"]
            )
    else:
        for part in value:
            if isinstance(part, Mapping):
                first, *others = _yaml(part, indent + "  ")
                lines += [f"{indent}- {first.strip()}\n", *others]
            else:
                lines.append(f"{indent}- {_scalar(part)}\n")
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return '"' + "".join(map(_quoted, str(value))) + '"'


def _quoted(character: str) -> str:
    if character in _MARKS:
        return _MARKS[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def markdown(text: object) -> str:
    """One line of Markdown that shows the text literally: no markup, no link, no HTML, no mention."""
    line = "".join(character if character.isprintable() else " " for character in " ".join(str(text).split()))
    return _MARKUP.sub(r"\\\g<0>", line)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with escaped cells."""
    lines = [header, ["---"] * len(header), *([markdown(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
