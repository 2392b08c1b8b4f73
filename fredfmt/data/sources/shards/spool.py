"""The first images of a stream, kept coded in a temporary file, from which they are read as often as is needed."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fredfmt.data.sources.shards.columns import Columns
from fredfmt.data.sources.shards.label_values import LabelValues
from fredfmt.data.sources.shards.spans import Spans
from fredfmt.data.sources.shards.stored import Stored
from fredfmt.errors import SourceError, access_explained, located

_ROWS = 64
"""Rows that are fetched at once."""


def spool(stream: Any, count: int, columns: Columns, left_out: Mapping[str, int]) -> Stored:
    """``count`` rows of an ``IterableDataset``, or all that it has.

    The file is in the folder for temporary files (``TMPDIR``), and goes with the images. Raises `SourceError` for a row
    without bytes or a label.
    """
    import datasets
    import pyarrow

    column = columns.image.partition(".")[0]
    rows = stream.select_columns([column, columns.label]).cast_column(column, datasets.Image(decode=False)).take(count)
    labels = LabelValues()
    with access_explained("no temporary file can be written", tempfile.gettempdir()), located("the stream"):
        handle, path = tempfile.mkstemp(prefix="fredfmt-")
        spans = Spans((Path(path),), "row")
        weakref.finalize(spans, _remove, path, os.getpid())
        with open(handle, "wb") as file:
            for batch in rows.iter(_ROWS):
                for image in batch[column]:
                    content = image if isinstance(image, bytes) else (image or {}).get("bytes")
                    if content is None:
                        raise SourceError("the image is null, or a path alone", where=f"row {len(spans)}")
                    spans.add(0, file.tell(), file.write(content))
                labels.add(pyarrow.array(batch[columns.label]), labels.count)
    return Stored(spans, labels.values, labels.words, dict(enumerate(columns.names)), left_out)


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # not in a process that was forked
        with suppress(OSError):
            os.remove(path)
