"""Arrow files in which `datasets` stores tables: the positions of the images and their labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fredfmt.data.sources.coded import Coded, Files
from fredfmt.data.sources.shards.columns import Columns
from fredfmt.data.sources.shards.label_values import LabelValues
from fredfmt.data.sources.shards.spans import Spans
from fredfmt.data.sources.shards.stored import Stored
from fredfmt.errors import SourceError, access_explained, located, quoted

if TYPE_CHECKING:
    from pyarrow import Array


def read_arrow(paths: tuple[Path, ...], columns: Columns, roots: Sequence[Path], left_out: Mapping[str, int]) -> Stored:
    """One split in Arrow stream files, from which only offsets and labels are read.

    A row without bytes holds the path of an image file, which must be in one of the folders ``roots``.
    """
    import pyarrow

    spans, labels, files = Spans(paths, "row"), LabelValues(), list[Path]()
    column, _, inner = columns.image.partition(".")
    for index, path in enumerate(paths):
        with located(path), access_explained("cannot be read"), pyarrow.memory_map(str(path)) as source:
            base, row = source.read_buffer(1).address, 0
            source.seek(0)
            try:
                for batch in pyarrow.ipc.open_stream(source):
                    labels.add(batch.column(columns.label), row)
                    images = batch.column(column)
                    images, places = (images.field("bytes"), images.field("path")) if inner else (images, None)
                    first, row = row, row + len(batch)
                    if images.null_count == len(images) and places is not None:
                        files += [image_file(place, roots) for place in places.to_pylist()]
                    else:
                        _add(spans, index, images, first, base, source.size())
            except pyarrow.ArrowException as error:
                raise SourceError("not a readable Arrow file", found=str(error)) from None
    if files and len(spans):
        raise SourceError("some images are stored in the table and some in files", where=column, expected="one kind")
    coded: Coded = Files(files) if files else spans
    return Stored(coded, labels.values, labels.words, dict(enumerate(columns.names)), left_out)


def _add(spans: Spans, index: int, images: Array, row: int, base: int, size: int) -> None:
    """Add the positions of the images of a batch, whose first is in ``row``, in the file whose memory map starts at
    ``base``."""
    import pyarrow

    if images.null_count:
        missing = int(np.flatnonzero(images.is_null().to_numpy(zero_copy_only=False))[0])
        raise SourceError("the image is null", where=f"row {row + missing}")
    _, ends, content = images.buffers()
    kind = np.int64 if pyarrow.types.is_large_binary(images.type) else np.int32
    bounds = np.frombuffer(ends, kind)[images.offset : images.offset + len(images) + 1].astype(np.int64)
    start = 0 if content is None else content.address - base
    if not (start + bounds[0] >= 0 and np.all(np.diff(bounds) >= 0) and start + bounds[-1] <= size):
        raise SourceError("images are compressed by the file format", hint="Write it uncompressed")
    spans.add_all(index, start + bounds[:-1], np.diff(bounds))


def image_file(path: str | None, roots: Sequence[Path]) -> Path:
    """The file of an image. Raises `SourceError` if it is not in one of these folders: a table must not read other
    files."""
    real = Path(os.path.realpath(path or ""))
    if path is None or not os.path.isabs(path) or not any(root in real.parents for root in roots):
        raise SourceError("the path of the image is outside the dataset", found=quoted(path), expected="bytes")
    return Path(path)
