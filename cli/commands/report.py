"""`fredfmt report`: an HTML page that shows a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import kilobytes, refuse_existing, say


def report(
    file: options.File,
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="The page to write.")],
    force: options.Force = False,
) -> None:
    """Write one HTML page that contains the file and decodes it in the browser, without network access."""
    from fredfmt.storage.writing import replacing
    from fredfmt.view.report import report as make
    from fredfmt.view.saving import PAGES, check_suffix

    check_suffix(out, PAGES)
    refuse_existing(out, force)
    content = make(file).encode()
    with replacing(out) as target:
        target.write(content)
    say(f"{out}: {kilobytes(len(content))}")
