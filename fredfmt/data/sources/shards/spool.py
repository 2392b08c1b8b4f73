"""The first images of a stream, kept coded in a temporary file that can be read again."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fredfmt.data.sources.shards.arrow_file import image_file
from fredfmt.data.sources.shards.columns import Columns
from fredfmt.data.sources.shards.label_values import LabelValues
from fredfmt.data.sources.shards.spans import Spans
from fredfmt.data.sources.shards.stored import Stored
from fredfmt.errors import SourceError, access_explained, located

_ROWS = 64
"""The number of rows per request."""


def spool(stream: Any, count: int, columns: Columns, roots: Sequence[Path], left_out: Mapping[str, int]) -> Stored:
    """The first ``count`` rows of an ``IterableDataset``, or all if it has fewer. The file is in the folder for
    temporary files (``TMPDIR``) and is deleted with the object. A row without bytes holds the path of an image file,
    which must be in one of the folders ``roots``. Raises `SourceError` for a row without image or label.
    """
    import datasets
    import pyarrow

    column = columns.image.partition(".")[0]
    rows = stream.select_columns([column, columns.label]).cast_column(column, datasets.Image(decode=False)).take(count)
    labels = LabelValues()
    with access_explained("a temporary file cannot be written", tempfile.gettempdir()), located("the stream"):
        handle, path = tempfile.mkstemp(prefix="fredfmt-")
        spans = Spans((Path(path),), "row")
        weakref.finalize(spans, _remove, path, os.getpid())
        with open(handle, "wb") as file:
            for batch in rows.iter(_ROWS):
                for image in batch[column]:
                    with located(f"row {len(spans)}"):
                        content = _content(image, roots)
                    spans.add(0, file.tell(), file.write(content))
                labels.add(pyarrow.array(batch[columns.label]), labels.count)
    return Stored(spans, labels.values, labels.words, dict(enumerate(columns.names)), left_out)


def _content(image: Any, roots: Sequence[Path]) -> bytes:
    if image is None:
        raise SourceError("the image is null")
    content: bytes | None = image if isinstance(image, bytes) else image.get("bytes")
    return image_file(image.get("path"), roots).read_bytes() if content is None else content


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked process does not delete it
        with suppress(OSError):
            os.remove(path)
