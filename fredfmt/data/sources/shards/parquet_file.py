"""One Parquet file: its footer is checked before it is opened, and its labels are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fredfmt.data.sources.shards.label_values import LabelValues
from fredfmt.errors import FredError, SourceError, access_explained

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetFile

_MAGIC = b"PAR1"
_TAIL = 8
"""Size in bytes of the end of a file: the length of its footer, and the magic number."""
_FOOTER = 64 << 20
_READ = 1 << 20
_LABELS = 1 << 16
"""The number of labels per read."""
_RATIO = 200
"""The highest compression ratio that is accepted: coded images are never compressed so much."""
HARMLESS = 64 << 20


def open_parquet(path: Path, *, text: str | None = None) -> ParquetFile:
    """Open a file that is read in pieces; equal values of the columns ``text`` are kept in memory once. Raises
    `SourceError` if the file is incomplete or not Parquet, and the exceptions of pyarrow.
    """
    from pyarrow.parquet import ParquetFile

    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        stream.seek(max(0, size - _TAIL))
        tail = stream.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - _TAIL - len(_MAGIC):
        expected = f"a footer and {_MAGIC.decode()} at the end"
        raise SourceError("not Parquet, or cut off", where=str(path), expected=expected, found=tail[4:])
    if length > _FOOTER:
        expected = f"at most {_FOOTER:,} bytes"
        raise SourceError("the footer is too large", where=str(path), expected=expected, found=length)
    dictionary = [] if text is None else [text]
    return ParquetFile(
        path, buffer_size=_READ, pre_buffer=False, page_checksum_verification=True, read_dictionary=dictionary
    )


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn the exceptions of pyarrow about a file into one error that names it."""
    import pyarrow

    with access_explained("cannot be read", path):
        try:
            yield
        except FredError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise SourceError("not readable Parquet", where=str(path), found=str(error)) from None


def check_claims(file: ParquetFile, path: Path, column: str) -> list[tuple[int, int]]:
    """The declared number of rows of each row group, and the size of the values of ``column`` in bytes. Raises
    `SourceError` if they are implausible: more rows than bytes, or an extreme compression ratio.
    """
    size, metadata = os.path.getsize(path), file.metadata
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = [group.column(index) for index in range(group.num_columns)]
        chunk = next((one for one in chunks if one.path_in_schema == column), None)
        if chunk is None:
            raise SourceError("no such column in a row group", where=f"{path}: row group {number}", expected=column)
        large, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
        if large > max(HARMLESS, _RATIO * packed) or packed > size or min(large, packed, group.num_rows) < 0:
            raise SourceError(
                "implausible sizes",
                where=f"{path}: row group {number}",
                expected=f"at most {_RATIO} times the bytes in the file",
                found=f"{packed:,} bytes that hold {large:,}",
            )
        groups.append((group.num_rows, large))
    rows = sum(group[0] for group in groups)
    if rows > size:
        raise SourceError("more rows than bytes", where=str(path), expected=f"at most {size:,}", found=f"{rows:,}")
    return groups


def read_labels(path: Path, schema: Schema, column: str, rows: int, labels: LabelValues) -> None:
    """Add the labels of a file to ``labels``. Raises `SourceError`, naming the row, for a null, and if their number is
    not ``rows``.
    """
    import pyarrow

    kind = schema.field(column).type
    count = 0
    with open_parquet(path, text=None if pyarrow.types.is_integer(kind) else column) as file:
        for batch in file.iter_batches(_LABELS, columns=[column], use_threads=False):
            labels.add(batch.column(0), count)
            count += len(batch)
            if count > rows:
                break
    if count != rows:
        raise SourceError("not one label per image", expected=rows, found=count)
