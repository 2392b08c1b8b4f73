"""Rows of numbers that are written once and read a few times: in memory, or in a temporary file if they are large."""

from __future__ import annotations

import math
import mmap
import tempfile
import weakref
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import access_explained
from fredfmt.model.mapped import Mapped

IN_MEMORY = 64 << 20


class Spool:
    """An (instance, ...) array that is written and read by slices of the first axis; rows that were not written are 0.

    Beyond 64 MiB it is stored in a file without a name in the folder for temporary files (``TMPDIR``), which is deleted
    by `close` or when the process ends. Raises `AccessError` if there is no space.

    >>> spool = Spool((3, 2))
    >>> spool[0:3] = np.array([[1, 2], [3, 4], [5, 6]])
    >>> spool[1:3]
    array([[3., 4.],
           [5., 6.]], dtype=float32)
    """

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic] = np.float32) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._row = self.dtype.itemsize * math.prod(shape[1:])
        self._array: NDArray[Any] | None = None
        self._file: IO[bytes] | None = None
        if shape[0] * self._row <= IN_MEMORY:
            self._array = np.zeros(shape, dtype)
        else:
            with access_explained("no temporary file can be made", tempfile.gettempdir()):
                self._file = tempfile.TemporaryFile(prefix="fredfmt-", buffering=0)  # noqa: SIM115 (open as long as the spool)
                self._file.truncate(shape[0] * self._row)
                weakref.finalize(self, self._file.close)

    def __setitem__(self, rows: slice, values: NDArray[Any]) -> None:
        if self._file is None:
            self._array[rows] = values  # type: ignore[index]  # one of the two exists
            return
        with access_explained("the temporary file cannot be written", tempfile.gettempdir()):
            self._file.seek(rows.start * self._row)
            remaining = np.ascontiguousarray(values, self.dtype).data.cast("B")
            while remaining:
                remaining = remaining[self._file.write(remaining) :]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        if self._file is None:
            return self._array[rows]  # type: ignore[index]
        with access_explained("the temporary file cannot be read", tempfile.gettempdir()):
            self._file.seek(rows.start * self._row)
            values = np.fromfile(self._file, self.dtype, (rows.stop - rows.start) * math.prod(self.shape[1:]))
        return values.reshape(-1, *self.shape[1:])

    def whole(self) -> NDArray[Any]:
        """All rows. Those in a file are read from it when they are accessed, even after `close`.

        >>> Spool((3, 2), np.int16).whole().shape
        (3, 2)
        """
        if self._file is None:
            return self._array  # type: ignore[return-value]
        with access_explained("the temporary file cannot be mapped", tempfile.gettempdir()):
            mapped = Mapped(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray(self.shape, self.dtype, mapped)

    def close(self) -> None:
        """Delete the file; nothing can be written or read by slices afterwards."""
        if self._file is not None:
            self._file.close()
