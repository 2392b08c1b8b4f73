"""The facts of a card, checked: from a dataset and from its publisher."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData
from fredfmt.model.digest import digest_of_data
from fredfmt.model.distillation import objective_of
from fredfmt.model.typed import thawed
from fredfmt.storage.ledger import ledger

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_HUB = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)(?:@([^/]+))?/(.+)")
_OBJECTIVES = {"dm": "DM", "dc": "DC", "dsa": "DSA", "tm": "trajectory matching"}


@dataclass(frozen=True)
class Facts:
    """All facts that the parts of a card need; None or empty if they are missing."""

    name: str
    """The SHA-256 of the file."""
    size: int
    sha256: str
    digest: str
    title: str
    address: str | None
    creators: tuple[str, ...]
    license: str | None
    version: str | None
    date: str | None
    classes: tuple[str, ...]
    instances: int
    shape: tuple[int, ...]
    """(channel, *spatial)."""
    k: int
    bits_per_class: float
    metadata: Mapping[str, Any]
    """The metadata of the file as JSON."""

    @classmethod
    def of(
        cls,
        data: FreDData,
        *,
        name: str,
        size: int,
        sha256: str,
        title: str | None,
        address: str | None,
        creators: tuple[str, ...],
        license: str | None,
        version: str | None,
        date: str | None,
    ) -> Facts:
        """Check the publisher's facts and combine them with those of the file."""
        meta = data.metadata
        if license is not None and meta.license not in (None, license):
            raise ArgumentError("the file has another licence", where="--license", expected=meta.license, found=license)
        if version is not None and not _VERSION.fullmatch(version):
            raise ArgumentError("not a version", where="--version", expected="a version such as 1.0.0", found=version)
        if date is not None:
            _check_date(date)
        if address is not None and not (_HUB.fullmatch(address) or address.startswith(("https://", "http://"))):
            expected = "hf://datasets/OWNER/NAME/FILE or https://..."
            raise ArgumentError("not an address to publish at", where="--address", expected=expected, found=address)
        if any(not creator.strip(" ,") for creator in creators):
            raise ArgumentError("a name is empty", where="--creator", expected="Family, Given", found=list(creators))
        return cls(
            name=name,
            size=size,
            sha256=sha256,
            digest=digest_of_data(data),
            title=title or _title(data),
            address=address,
            creators=creators,
            license=license or meta.license,
            version=version,
            date=date,
            classes=meta.classes,
            instances=len(data),
            shape=(meta.channels, *meta.spatial_shape),
            k=data.k,
            bits_per_class=ledger(data).bits_per_class,
            metadata=thawed(meta.to_json()),
        )

    @property
    def objective(self) -> str | None:
        """The objective of the distillation as papers write it; None if the data are encoded real images."""
        objective = objective_of(self.metadata.get("distillation", {}))
        return None if objective is None else _OBJECTIVES.get(objective, objective)

    @property
    def source(self) -> Mapping[str, Any]:
        """The real dataset, as the file describes it."""
        found: Mapping[str, Any] = self.metadata.get("source", {})
        return found

    @property
    def page(self) -> str | None:
        """The address of the dataset's page."""
        hub = _HUB.fullmatch(self.address or "")
        return f"https://huggingface.co/datasets/{hub[1]}" if hub else self.address

    @property
    def download(self) -> str:
        """The address from which a browser can download the file; without an address its name, relative to the card."""
        hub = _HUB.fullmatch(self.address or "")
        if hub:
            return f"https://huggingface.co/datasets/{hub[1]}/resolve/{hub[2] or 'main'}/{hub[3]}"
        return self.address or self.name

    @property
    def description(self) -> str:
        """One sentence that describes the data."""
        what = "x".join(map(str, self.shape))
        made = f"distilled with {self.objective}" if self.objective else "kept in few frequencies"
        source = f" of {self.source['name']}" if isinstance(self.source.get("name"), str) else ""
        transform = self.metadata["transform"]
        return (
            f"{self.instances} instances of {what} in {len(self.classes)} classes{source}, {made}, stored as {self.k}"
            f" {transform} coefficients per channel in one fredfmt file of {self.size:,} bytes."
        )

    def missing(self) -> Iterator[str]:
        """The missing facts, each with how to give it."""
        for known, text in (
            (self.license, "license: data without one may not be shared; give --license SPDX-ID"),
            (self.creators, "creators, and so CITATION.cff: give --creator 'Family, Given', once for each"),
            (self.address, "address: give --address, where the file will be published"),
            (self.date, "date of publication: give --date 2026-01-31"),
            (self.version, "version: give --version 1.0.0"),
            (self.source.get("name"), "source: the file does not name the real dataset"),
            (
                self.metadata.get("results"),
                "results: fredfmt evaluate FILE --on SOURCE --record measures and records them",
            ),
        ):
            if not known:
                yield text


def _title(data: FreDData) -> str:
    meta = data.metadata
    name = str(meta.source.get("name") or "Dataset")
    objective = objective_of(meta.distillation)
    return f"{name}, distilled ({_OBJECTIVES.get(objective, objective)})" if objective else f"{name}, as .fred"


def _check_date(text: str) -> None:
    try:
        same = datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        same = False
    if not same:
        raise ArgumentError("not a date", where="--date", expected="YYYY-MM-DD", found=text)
