"""Creates HDF5 files through file objects, without time stamps and with the errors of the system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any


class Target:
    """A file object for the HDF5 library that hides errors of the system, which the library does not handle well.

    The first error is kept, and nothing is read or written after it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._error: OSError | None = None

    @contextmanager
    def error_raised(self) -> Iterator[None]:
        """Raise the first error, if there was one, when the block ends."""
        try:
            yield
        except (OSError, RuntimeError):
            if self._error is None:
                raise
        if self._error is not None:
            raise self._error

    def _tried(self, method: Callable[..., int | None], *arguments: Any) -> int:
        if self._error is None:
            try:
                return method(*arguments) or 0
            except OSError as error:
                self._error = error
        return 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._tried(self._stream.seek, offset, whence)

    def tell(self) -> int:
        return self._tried(self._stream.tell)

    def readinto(self, buffer: Any) -> int:
        return self._tried(self._stream.readinto, buffer)  # type: ignore[attr-defined]  # all files of bytes have it

    def write(self, content: Any) -> int:
        return self._tried(self._stream.write, content)

    def truncate(self, size: int) -> int:
        return self._tried(self._stream.truncate, size)

    def flush(self) -> None:
        self._tried(self._stream.flush)


def new_file(target: Any, *, space: int = 0) -> Any:
    """An empty `h5py.File` in a file object or at a path, without a time stamp, after ``space`` unused bytes.

    HDF5 before 2.0 stores the time of creation in the root group by default, and `h5py.File` has no option against it.
    """
    from h5py import File, h5f, h5fd, h5p

    creation, access = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    creation.set_userblock(space)
    creation.set_obj_track_times(False)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    if not isinstance(target, str):
        access.set_fileobj_driver(h5fd.fileobj_driver, target)
    name = target if isinstance(target, str) else "fredfmt"
    return File(h5f.create(os.fsencode(name), h5f.ACC_TRUNC, creation, access))
