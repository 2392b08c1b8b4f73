"""`fredfmt decode`: the images of a file."""

from __future__ import annotations

from typing import Any

from fredfmt.cli.commands.export import export
from fredfmt.cli.options import options_of


@options_of(export)
def decode(**given: Any) -> None:
    """Decode the stored frequencies of a file to ordinary image files.

    A folder gets PNG images, in one folder per class; NAME.npz gets arrays of all images, in 0..1 and clipped, and
    labels. The size is that of the images that were encoded; in Python, fredfmt.decode gives any size and only some
    images. For other projects' files see fredfmt export, which takes the same options.
    """
    export(**given)
