"""`fredfmt convert`: copies data into another container."""

from __future__ import annotations

from fredfmt.cli import options
from fredfmt.cli.console import check_output


def convert(file: options.File, out: options.Out, codec: options.Codec = None, force: options.Force = False) -> None:
    """Copy a file into another container, .fred, .fred.zarr or .fred.h5. Nothing is lost; the digest stays the same."""
    from fredfmt.storage.files import convert as copy

    check_output(out, force)
    copy(file, out, codec=codec)
