"""CITATION.cff in YAML (Citation File Format 1.2.0)."""

from __future__ import annotations

from typing import Any

from fredfmt.exchange.card import licenses
from fredfmt.exchange.card.facts import Facts
from fredfmt.exchange.card.text import yaml


def citation(facts: Facts) -> str:
    """The text of the file; it needs creators, because a citation needs authors."""
    found: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite it, and the dataset it comes from.",
        "type": "dataset",
        "title": facts.title,
        "authors": [_author(creator) for creator in facts.creators],
        "abstract": facts.description,
        "keywords": ["dataset distillation", "fredfmt"] if facts.objective else ["fredfmt"],
        "identifiers": [{"type": "other", "value": facts.digest, "description": "fredfmt content digest"}],
    }
    if facts.license is not None and (known := licenses.spdx(facts.license)):
        found["license"] = known
    for name, value in (("version", facts.version), ("date-released", facts.date), ("url", facts.page)):
        if value is not None:
            found[name] = value
    return yaml(found)


def _author(creator: str) -> dict[str, str]:
    """A person from ``Family, Given``, else an entity."""
    family, comma, given = (part.strip() for part in creator.partition(","))
    return (
        {"family-names": family, "given-names": given} if comma and family and given else {"name": creator.strip(" ,")}
    )
