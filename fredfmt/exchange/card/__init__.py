"""What a published file needs beside it: a file in, README.md, croissant.json, CITATION.cff and preview.png out.

All of it is made from the file and from what the publisher says. Nothing is invented: missing facts are left out, and
listed, so that they can be given.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fredfmt.errors import ArgumentError, FredFileNotFoundError, located
from fredfmt.exchange.card.citation import citation
from fredfmt.exchange.card.croissant import croissant
from fredfmt.exchange.card.facts import Facts
from fredfmt.exchange.card.readme import readme
from fredfmt.model.data import FreDData
from fredfmt.storage.files import load
from fredfmt.storage.writing import replacing

__all__ = ["CARD", "Made", "card"]

_NO_PICTURE = "preview.png: whitened images cannot be drawn without what whitened them"
CARD = ("README.md", "croissant.json", "CITATION.cff", "preview.png")
"""The files that a card can have."""


@dataclass(frozen=True)
class Made:
    """What `card` wrote, and what it would need to write more."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    """What is missing from them, each with what to do about it."""


def card(
    file: Path,
    folder: Path,
    *,
    title: str | None = None,
    address: str | None = None,
    creators: Sequence[str] = (),
    license: str | None = None,
    version: str | None = None,
    date: str | None = None,
    replace: bool = False,
) -> Made:
    """Write the card of a file into a folder, and a copy of the file itself if it is not there yet.

    Parameters
    ----------
    title
        A name for people; made of the source and the objective if left out.
    address
        Where the file will be: ``hf://datasets/owner/name/x.fred`` or ``https://...``.
    creators
        Who made the distilled data: ``Family, Given`` for a person, any other text for a group.
    license
        SPDX identifier, where the file does not say its own.
    version, date
        Of the publication: ``1.0.0``, ``2026-11-23``.
    replace
        Whether files that are there may be replaced.

    Raises
    ------
    ArgumentError
        For a folder that holds one of the files already, a malformed date, version or address, or a licence that
        contradicts the file's.
    FredFileNotFoundError, FormatError
        If the file is not there or not sound.
    """
    if not file.is_file():
        raise FredFileNotFoundError("no such file, or a folder", where=str(file), hint="Cards are for one .fred file")
    content = file.read_bytes()
    data = load(file)
    with located(file):
        facts = Facts.of(
            data,
            name=file.name,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            title=title,
            address=address,
            creators=tuple(creators),
            license=license,
            version=version,
            date=date,
        )
    picture = data.metadata.whitening is None
    written = {
        "README.md": readme(facts, picture=picture).encode(),
        "croissant.json": croissant(facts).encode(),
        **({"CITATION.cff": citation(facts).encode()} if facts.creators else {}),
        **({"preview.png": _picture(data)} if picture else {}),
    }
    copied = not (folder / file.name).exists()
    for name in written:
        if (folder / name).exists() and not replace:
            raise ArgumentError("exists already", where=str(folder / name), hint="Use --force to replace it")
    if not copied and hashlib.sha256((folder / file.name).read_bytes()).hexdigest() != facts.sha256:
        raise ArgumentError("another file of that name is there", where=str(folder / file.name), hint="Take it away")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        with replacing(folder / name) as target:
            target.write(text)
    if copied:
        with replacing(folder / file.name) as target, file.open("rb") as source:
            shutil.copyfileobj(source, target)
    missing = (*facts.missing(), *([] if picture else [_NO_PICTURE]))
    return Made(tuple(folder / name for name in (*written, file.name)), missing)


def _picture(data: FreDData) -> bytes:
    import io

    from fredfmt.view.preview import preview

    target = io.BytesIO()
    preview(data).save(target, format="PNG")
    return target.getvalue()
