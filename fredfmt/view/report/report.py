"""`report`: the HTML page of a file."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
from importlib.resources import files
from pathlib import Path

from fredfmt.model.data import FreDData
from fredfmt.model.version import __version__
from fredfmt.storage.addresses import shown
from fredfmt.storage.containers import archive
from fredfmt.storage.containers.encoding import as_archive
from fredfmt.storage.files import load
from fredfmt.storage.reading import SUFFIXES
from fredfmt.view.report.first import first_images

SCRIPTS = (
    *(f"reader/{name}.js" for name in ("checksums", "zstd", "blosc", "context", "inflate")),
    *(f"reader/{name}.js" for name in ("documents", "archive", "arrays", "metadata", "file", "images")),
    *("elements.js", "words.js", "facts.js", "drawing.js", "page.js"),
)
"""The parts of the page's script, each of which uses those before it."""


def report(file: str | os.PathLike[str] | FreDData, *, name: str | None = None) -> str:
    """An HTML page to browse a dataset, which makes no network requests.

    Parameters
    ----------
    file
        A path or address, which is read and verified, or a dataset. The page contains the bytes of a ``.fred`` file
        unchanged; anything else is converted as by `fredfmt.save`.
    name
        The title of the page, and the name of the file that can be downloaded from it. None: the name of the file.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> from fredfmt.view.report.report import report
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> page = report(fredfmt.encode(images, [0, 0, 1, 1], k=20), name="pets.fred")
    >>> page[:15], "pets.fred" in page
    ('<!doctype html>', True)
    """
    data = file if isinstance(file, FreDData) else load(file)
    content = _content(file, data)
    if name is None:
        name = "data.fred" if isinstance(file, FreDData) else _fred_name(shown(os.fspath(file)))
    style, script = _part("page.css"), "\n".join(map(_part, SCRIPTS))
    values = {
        "policy": _policy(style, script),
        "version": html.escape(__version__),
        "name": html.escape(name),
        "summary": html.escape(repr(data).splitlines()[0].removeprefix("FreDData: ")),
        "first": first_images(data),
        "style": style,
        "script": script,
        "file": base64.b64encode(content).decode(),
    }
    return re.sub(r"@([a-z]+)@", lambda match: values[match[1]], _part("page.html"))


def _content(file: object, data: FreDData) -> bytes:
    """The bytes of the ``.fred`` file: those of ``file`` if it is one."""
    if isinstance(file, str | os.PathLike) and Path(file).is_file():
        content = Path(file).read_bytes()
        if content.startswith(archive.MAGIC):
            return content
    return as_archive(data)


def _fred_name(path: str) -> str:
    """The last part of a path or address, with the suffix ``.fred``."""
    name = re.split(r"[/\\]", path.rstrip("/"))[-1]
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix) + ".fred"
    return f"{name}.fred"


def _policy(style: str, script: str) -> str:
    """A content security policy that allows this style and this script, but no requests."""
    hashes = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style))
    allowed = "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'"
    return allowed.format(*hashes) + "; form-action 'none'"


def _part(name: str) -> str:
    return (files("fredfmt.view.report") / name).read_text(encoding="utf-8")
