"""Coverage-guided fuzzing of the reader with atheris (pip install atheris; Python 3.11).

    python tests/storage/fuzz/atheris_door.py CORPUS -max_total_time=600

CORPUS is a directory to work in; it is filled with the valid vectors first. Anything but a `FredError` is a crash.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fredfmt"]):
    import fredfmt
    from fredfmt.errors import FredError

VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "1.0"


def read(content: bytes) -> None:
    """One input: the bytes of a `.fred` or `.fred.h5` file."""
    try:
        fredfmt.load(io.BytesIO(content))
    except FredError:
        fredfmt.validate(io.BytesIO(content))


def main() -> None:
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for file in [*VECTORS.glob("*/*/data.fred"), *VECTORS.glob("*/*/data.fred.h5")]:
        shutil.copy(file, corpus / f"{file.parent.name}{file.suffix}")
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
