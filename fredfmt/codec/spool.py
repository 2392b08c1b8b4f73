"""Rows of numbers that are written once and read a few times, block by block: in memory while few, in a file beyond."""

from __future__ import annotations

import math
import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import access_explained

IN_MEMORY = 64 << 20


class Spool:
    """An (instance, ...) array of float32 that is written and read by slices of the first axis.

    Beyond 64 MiB it lies in a file without a name in the folder for temporary files (``TMPDIR``), which goes with
    `close`, or with the process. Raises `AccessError` if there is no room.

    >>> spool = Spool((3, 2))
    >>> spool[0:3] = np.array([[1, 2], [3, 4], [5, 6]])
    >>> spool[1:3]
    array([[3., 4.],
           [5., 6.]], dtype=float32)
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._row = 4 * math.prod(shape[1:])
        self._array: NDArray[np.float32] | None = None
        self._file: IO[bytes] | None = None
        if shape[0] * self._row <= IN_MEMORY:
            self._array = np.empty(shape, np.float32)
        else:
            with access_explained("no temporary file can be made", tempfile.gettempdir()):
                self._file = tempfile.TemporaryFile(prefix="fredfmt-", buffering=0)  # noqa: SIM115 (as long as the spool)

    def __setitem__(self, rows: slice, values: NDArray[Any]) -> None:
        if self._file is None:
            self._array[rows] = values  # type: ignore[index]  # one of the two is there
            return
        with access_explained("the temporary file cannot be written", tempfile.gettempdir()):
            self._file.seek(rows.start * self._row)
            remaining = np.ascontiguousarray(values, np.float32).data.cast("B")
            while remaining:
                remaining = remaining[self._file.write(remaining) :]

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        if self._file is None:
            return self._array[rows]  # type: ignore[index]
        with access_explained("the temporary file cannot be read", tempfile.gettempdir()):
            self._file.seek(rows.start * self._row)
            values = np.fromfile(self._file, np.float32, (rows.stop - rows.start) * self._row // 4)
        return values.reshape(-1, *self.shape[1:])

    def close(self) -> None:
        """Delete the file; nothing can be read afterwards."""
        if self._file is not None:
            self._file.close()
