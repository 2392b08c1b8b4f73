"""The card of a published file: README.md, croissant.json, CITATION.cff and preview.png.

All facts come from the file or from the publisher. Missing facts are omitted and listed, so that the publisher can add
them.
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

_NO_PICTURE = "preview.png: whitened images cannot be drawn without their whitening"
CARD = ("README.md", "croissant.json", "CITATION.cff", "preview.png")
"""The files of a card."""


@dataclass(frozen=True)
class Made:
    """The files that `card` wrote, and the facts that are missing."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    """The missing facts, each with the option that adds it."""


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
    """Write the card of a file to a folder, and a copy of the file if it is not in the folder yet.

    Parameters
    ----------
    title
        The title; by default made from the names of the source and the objective.
    address
        The address at which the file will be published: ``hf://datasets/owner/name/x.fred`` or ``https://...``.
    creators
        The authors of the distilled data: ``Family, Given`` for a person, any other text for a group.
    license
        SPDX identifier, if the file does not record a licence.
    version, date
        Version and date of the publication: ``1.0.0``, ``2026-11-23``.
    replace
        Whether existing files may be replaced.

    Raises
    ------
    ArgumentError
        If the folder already holds one of the files, if a date, version or address is malformed, or if the licence
        contradicts the file's.
    FredFileNotFoundError, FormatError
        If the file does not exist or is not valid.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20), "pets.fred")
    >>> made = card(Path("pets.fred"), Path("publish"), creators=["Doe, Jane"], license="CC0-1.0")
    >>> [path.name for path in made.files]
    ['README.md', 'croissant.json', 'CITATION.cff', 'preview.png', 'pets.fred']
    """
    if not file.is_file():
        raise FredFileNotFoundError(
            "no such file, or a folder", where=str(file), hint="A card describes a single .fred file"
        )
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
        raise ArgumentError("another file of that name exists", where=str(folder / file.name), hint="Remove it")
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
