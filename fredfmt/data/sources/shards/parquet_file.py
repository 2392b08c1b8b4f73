"""One Parquet file: opened with its footer looked at first, and read for its labels."""

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
"""Bytes at the end of a file: the length of its footer, and the magic number."""
_FOOTER = 64 << 20
_READ = 1 << 20
_LABELS = 1 << 16
"""Labels that are read at once."""
_RATIO = 200
"""Nobody's images are packed so many times smaller than they are."""
_HARMLESS = 64 << 20


def open_parquet(path: Path, *, text: str | None = None) -> ParquetFile:
    """A file to read from piece by piece; equal values of a column of ``text`` are held once.

    Raises `SourceError` if it is not whole or not Parquet, and whatever pyarrow raises.
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
    """Turn what pyarrow raises about a file into one error that names it."""
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
    """For each row group its number of rows, and the bytes that the values of ``column`` have, as the file says.

    Raises `SourceError` where this cannot be: more rows than bytes, or values that were packed to next to nothing.
    """
    size, told = os.path.getsize(path), file.metadata
    groups = []
    for number in range(told.num_row_groups):
        group = told.row_group(number)
        chunks = [group.column(index) for index in range(group.num_columns)]
        chunk = next((one for one in chunks if one.path_in_schema == column), None)
        if chunk is None:
            raise SourceError("no such column in a row group", where=f"{path}: row group {number}", expected=column)
        large, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
        if large > max(_HARMLESS, _RATIO * packed) or packed > size or min(large, packed, group.num_rows) < 0:
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
    """Add the labels of a file to others.

    Raises `SourceError`, naming the row, for a null, and where there are not as many as ``rows``.
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
