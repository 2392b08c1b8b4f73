"""croissant.json in JSON-LD (MLCommons Croissant), without a record set, as none can describe a .fred file."""

from __future__ import annotations

import json
from typing import Any

from fredfmt.exchange.card import licenses
from fredfmt.exchange.card.facts import Facts

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(facts: Facts) -> str:
    """The document. Missing facts are omitted; Croissant's checker gives warnings for them, but no errors."""
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": facts.title,
        "description": facts.description,
        "keywords": ["dataset distillation", "fredfmt"] if facts.objective else ["fredfmt"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": facts.name,
                "name": facts.name,
                "contentUrl": facts.download,
                "contentSize": f"{facts.size} B",
                "encodingFormat": "application/vnd.fred",
                "sha256": facts.sha256,
            }
        ],
    }
    if facts.license is not None:
        found["license"] = licenses.link(facts.license) or facts.license
    if facts.creators:
        found["creator"] = [
            {"@type": "Person" if "," in name else "Organization", "name": _spoken(name)} for name in facts.creators
        ]
        found["citeAs"] = _cited(facts)
    if isinstance(facts.source.get("url"), str):
        found["isBasedOn"] = facts.source["url"]
    for key, value in (("url", facts.page), ("datePublished", facts.date), ("version", facts.version)):
        if value is not None:
            found[key] = value
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _cited(facts: Facts) -> str:
    """The dataset as a reference in one line."""
    year = f" ({facts.date[:4]})" if facts.date else ""
    parts = ["; ".join(map(_spoken, facts.creators)) + year, facts.title]
    parts += [f"Version {facts.version}"] if facts.version else []
    return ". ".join([*parts, facts.page or facts.digest])


def _spoken(creator: str) -> str:
    """``Given Family`` from ``Family, Given``."""
    family, comma, given = (part.strip() for part in creator.partition(","))
    return f"{given} {family}" if comma else family
