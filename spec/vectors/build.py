"""Builds the test vectors: small files, each with a case.json that says what a reader must find in it.

    python spec/vectors/build.py [DIRECTORY]

The bytes are the same on every run, which a test checks. Every invalid file breaks one rule (two if its name says so)
and is otherwise correct: digests and checksums are right, unless they are the broken part.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "reference")]
from compact import build_compact  # noqa: E402
from invalid import (  # noqa: E402
    build_invalid_archive,
    build_invalid_arrays,
    build_invalid_hdf5,
    build_invalid_hierarchy,
    build_invalid_metadata,
)
from valid import build_valid, build_warning  # noqa: E402
from vectors import Vectors  # noqa: E402


def build(root: Path) -> None:
    """Build every vector below ``root``, which is emptied first."""
    shutil.rmtree(root, ignore_errors=True)
    to = Vectors(root)
    for part in (
        build_valid,
        build_compact,
        build_warning,
        build_invalid_metadata,
        build_invalid_arrays,
        build_invalid_archive,
        build_invalid_hierarchy,
        build_invalid_hdf5,
    ):
        part(to)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "1.0")
