"""`report`: a file in, the text of a page out."""

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

SCRIPTS = ("checksums.js", "zstd.js", "blosc.js", "context.js", "inflate.js", "decoder.js", "words.js", "page.js")
"""The page's script, in parts: each uses those before it."""


def report(file: str | os.PathLike[str] | FreDData, *, name: str | None = None) -> str:
    """One HTML page without any reference to the network, to browse a data set with.

    Parameters
    ----------
    file
        A path or URL, which is read and verified, or a data set. The bytes of a ``.fred`` file are carried as they are;
        anything else is packed as `fredfmt.save` would.
    name
        What the page and the file to download from it are called; by default the file's name.
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
    """The bytes of the ``.fred`` file: its own where it is one."""
    if isinstance(file, str | os.PathLike) and Path(file).is_file():
        content = Path(file).read_bytes()
        if content.startswith(archive.MAGIC):
            return content
    return as_archive(data)


def _fred_name(path: str) -> str:
    """The last part of a path or URL, with the suffix of what the page carries."""
    name = re.split(r"[/\\]", path.rstrip("/"))[-1]
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix) + ".fred"
    return f"{name}.fred"


def _policy(style: str, script: str) -> str:
    """A content security policy under which this style and this script run, and nothing is fetched or sent."""
    hashes = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style))
    allowed = "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'"
    return allowed.format(*hashes) + "; form-action 'none'"


def _part(name: str) -> str:
    return (files("fredfmt.view.report") / name).read_text(encoding="utf-8")
