"""`RowGroups`: coded images in a column of Parquet files, which can only be read from the start of a row group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fredfmt.data.sources.shards.parquet_file import open_parquet, parquet_errors
from fredfmt.data.sources.shards.spans import LARGEST
from fredfmt.errors import SourceError

if TYPE_CHECKING:
    from pyarrow import Array
    from pyarrow.parquet import ParquetFile

CACHE = 64 << 20
"""The largest size of the cache of coded images, in bytes."""
_BATCH = 4 << 20
"""The size in bytes of a batch of coded images, estimated from the sizes that a file declares."""
BATCH_ROWS = 256


class Group(NamedTuple):
    """A row group of a file."""

    file: int
    """The index of its file among the paths."""
    number: int
    """Its index in the file."""
    rows: int
    size: int
    """Bytes of its images, as the file declares."""


class RowGroups:
    """Coded images of row groups, the rows of all files in order. Rows in ascending order are read in one pass; for a
    row before the last one that was read, reading starts again at its row group. One batch is in memory, and a cache of
    at most 64 MiB of images, so a smaller source is read once. Raises `SourceError`, naming file and row, for an image
    that is null, missing or larger than 256 MiB.
    """

    def __init__(self, paths: tuple[Path, ...], groups: list[Group], column: str) -> None:
        self._paths, self._column = paths, column
        self._groups = [group for group in groups if group.rows]
        self._starts = np.cumsum([0, *(group.rows for group in self._groups)])
        self._all_fit = sum(group.size for group in groups) <= CACHE
        self._forget()

    def _forget(self) -> None:
        self._cache: dict[int, bytes] = {}
        self._cached = 0
        self._process = os.getpid()
        self._pending: _Pass | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}, "_cached": 0, "_pending": None}

    def place(self, row: int) -> str:
        """The file and the row in it."""
        file = self._groups[self._group(row)].file
        first = next(start for start, group in zip(self._starts, self._groups, strict=False) if group.file == file)
        return f"{self._paths[file]}: row {row - int(first)}"

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, BytesIO]]:
        """The images in the order of their rows."""
        if self._process != os.getpid():  # a child process opens the files itself
            self._forget()
        for position in np.argsort(rows, kind="stable"):
            row = int(rows[position])
            yield int(position), BytesIO(self._cache.get(row) or self._read(row))

    def _read(self, row: int) -> bytes:
        # Another thread that reads at the same time starts its own pass.
        current, self._pending = self._pending, None
        if current is None or not current.start <= row < current.end:
            current = self._begin(row, current)
        while row >= current.start + len(current.images):
            with parquet_errors(self._paths[current.file]):
                current.advance()
            if not len(current.images):
                raise SourceError("the image is missing", where=self.place(row))
            if self._all_fit:
                for index, value in enumerate(current.images):
                    if value.is_valid:
                        self._keep(current.start + index, bytes(value.as_py()))
        content = self._value(current, row)
        self._keep(row, content)
        self._pending = current
        return content

    def _begin(self, row: int, last: _Pass | None) -> _Pass:
        index = self._group(row)
        group = self._groups[index]
        path = self._paths[group.file]
        with parquet_errors(path):
            file = last.source if last is not None and last.file == group.file else open_parquet(path)
            return _Pass(file, group, int(self._starts[index]), self._column)

    def _group(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, "right")) - 1

    def _value(self, current: _Pass, row: int) -> bytes:
        value = current.images[row - current.start]
        if not value.is_valid:
            raise SourceError("the image is null, or a path without bytes", where=self.place(row), expected="bytes")
        size = value.as_buffer().size
        if size > LARGEST:
            raise SourceError(
                "too large", where=self.place(row), expected=f"at most {LARGEST:,} bytes", found=f"{size:,}"
            )
        return bytes(value.as_py())

    def _keep(self, row: int, content: bytes) -> None:
        if row not in self._cache and self._cached + len(content) <= CACHE:
            self._cache[row] = content
            self._cached += len(content)


class _Pass:
    """One pass over the images of a row group, batch by batch."""

    def __init__(self, source: ParquetFile, group: Group, first: int, column: str) -> None:
        import pyarrow

        self.source, self.file = source, group.file
        self.start, self.end = first, first + group.rows
        self.images: Array = pyarrow.array([], pyarrow.binary())
        """The images of the batch, whose first row is ``start``."""
        rows = min(BATCH_ROWS, max(1, _BATCH * group.rows // max(1, group.size)))
        self._batches = source.iter_batches(rows, row_groups=[group.number], columns=[column], use_threads=False)

    def advance(self) -> None:
        """Read the next batch; it is empty at the end."""
        import pyarrow

        self.start += len(self.images)
        batch = next(self._batches, None)
        column = pyarrow.array([], pyarrow.binary()) if batch is None else batch.column(0)
        self.images = column.flatten()[0] if pyarrow.types.is_struct(column.type) else column
