"""Checkpoints: named arrays and one JSON document in a file without pickles, written atomically."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError
from fredfmt.storage.writing import replacing

_FORMAT = "fredfmt checkpoint 1"
_DOCUMENT = "document"


def write_checkpoint(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any]
) -> None:
    """Write ``arrays`` and ``document`` to an ``.npz`` file, replacing an existing one."""
    text = json.dumps({"format": _FORMAT, **document}).encode()
    with replacing(Path(path)) as stream:
        np.savez(stream, **{_DOCUMENT: np.frombuffer(text, np.uint8)}, **arrays)  # type: ignore[arg-type]


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the document of a checkpoint. Raises `FormatError` for other files; nothing in them is
    executed."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(arrays.pop(_DOCUMENT).tobytes())
        if document["format"] != _FORMAT:
            raise ValueError(document["format"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            "damaged, or not a checkpoint of this version",
            where=os.fspath(path),
            found=type(error).__name__,
            hint="Delete it, or give --restart, to start again",
        ) from None
    return arrays, document
