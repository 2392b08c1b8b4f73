"""Downloads through torchvision, without its output, and with one error if a download fails."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fredfmt.data.sources.request import Request
from fredfmt.errors import SourceError

_log = logging.getLogger(__name__)


def download(request: Request, fetch: Callable[[Path], Any], *, hint: str) -> None:
    """Run ``fetch`` on an empty folder and move the files that it makes to ``request.root``. A failed or interrupted
    download leaves no files. Raises `SourceError` if the request forbids downloads or the download fails; ``hint`` says
    what to do instead.
    """
    if not request.download:
        raise SourceError("not found, and downloads are not allowed", where=request.name, found=request.root, hint=hint)
    made = [folder for folder in (request.root, *request.root.parents) if not folder.exists()]
    try:
        request.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=request.root, prefix=".download-") as folder:
            _log.info("downloading %s to %s", request.name, request.root)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                fetch(Path(folder))
            _move(Path(folder), request.root)
    except (OSError, RuntimeError, EOFError) as error:
        for empty in made:
            with contextlib.suppress(OSError):
                empty.rmdir()
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip("<>")
        raise SourceError("not found, and the download failed", where=request.name, found=reason, hint=hint) from None


def _move(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
