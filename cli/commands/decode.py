"""`fredfmt decode`: the images of a file."""

from __future__ import annotations

from fredfmt.cli import options
from fredfmt.cli.commands.export import Form, Target, export


def decode(
    file: options.File,
    out: Target,
    to: Form = None,
    force: options.Force = False,
    expected_digest: options.ExpectedDigest = None,
) -> None:
    """Turn the stored frequencies of a file back into images that anything opens.

    A folder gets PNG images, in a folder for each class; NAME.npz gets arrays of all images, in 0..1 and clipped, and
    labels. The size is that of the images that were encoded; in Python, fredfmt.decode gives any size and only some
    images. For other projects' files see fredfmt export, which takes the same options.
    """
    export(file, out, to, force, expected_digest)
