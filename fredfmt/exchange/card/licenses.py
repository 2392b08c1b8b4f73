"""Licences: SPDX identifiers, and the names of the same licences on the Hub, in CITATION.cff and in Croissant."""

from __future__ import annotations

_KNOWN = (
    "AFL-3.0",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "EUPL-1.1",
    "ISC",
    "MIT",
    "MPL-2.0",
    "MS-PL",
    "NCSA",
    "ODbL-1.0",
    "ODC-By-1.0",
    "PDDL-1.0",
    "Unlicense",
    "Zlib",
)
_OTHER_NAMES = {
    "agpl-3.0-only": "agpl-3.0",
    "agpl-3.0-or-later": "agpl-3.0",
    "odbl-1.0": "odbl",
    "odc-by-1.0": "odc-by",
    "pddl-1.0": "pddl",
}


def spdx(name: str) -> str | None:
    """The identifier in SPDX's spelling, if it is one of the common licences of data and code."""
    return {known.lower(): known for known in _KNOWN}.get(name.lower())


def on_the_hub(name: str) -> str | None:
    """The Hub's identifier of a licence; None if it has none and uses ``other`` with a name."""
    known = spdx(name)
    return None if known is None else _OTHER_NAMES.get(known.lower(), known.lower())


def link(name: str) -> str | None:
    """The page of a licence that SPDX knows."""
    known = spdx(name)
    return None if known is None else f"https://spdx.org/licenses/{known}.html"
