"""`fredfmt decode`: writes the images of a file."""

from __future__ import annotations

from typing import Any

from fredfmt.cli.commands.export import export
from fredfmt.cli.options import options_of


@options_of(export)
def decode(**given: Any) -> None:
    """Decode the stored frequencies of a file to ordinary image files.

    For a folder, PNG images in one folder per class; for NAME.npz, arrays of all images, clipped to 0..1, and labels.
    Images have their original size; in Python, fredfmt.decode can also decode at other sizes, and only some images.
    fredfmt export, which has the same options, also writes files of other projects.
    """
    export(**given)
