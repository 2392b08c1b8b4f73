"""Images of an uncompressed NumPy archive, read from the file when their rows are accessed."""

from __future__ import annotations

import os
import struct
import zipfile
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import RowIndex
from fredfmt.errors import SourceError

_LOCAL = struct.Struct("<26xHH")
"""The last fields of a ZIP entry's local header: the lengths of its name and of its extra field."""


class StoredArray:
    """An array (N, ...) in a file. Its rows are read when they are accessed; none is kept in memory."""

    def __init__(self, path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._start, self._stored_shape, self.dtype = path, start, shape, dtype
        self._channel_axis: int | None = 0
        self.shape = shape

    @classmethod
    def of(cls, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> StoredArray | None:
        """The array of a member of an archive; None if its rows cannot be read alone (compressed, or in Fortran
        order)."""
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            return None
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(stream)
            elif version == (2, 0):
                header = np.lib.format.read_array_header_2_0(stream)
            else:
                return None
            before = stream.tell()
        shape, by_columns, dtype = header
        with open(path, "rb") as stream:
            stream.seek(member.header_offset)
            name, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if by_columns or dtype.hasobject or not dtype.isnative or before + size != member.file_size:
            return None
        return cls(path, member.header_offset + _LOCAL.size + name + extra + before, shape, dtype)

    def with_channels(self, axis: int | None) -> StoredArray:
        """The same array with the channels at axis 1; they are at ``axis``, or None: there is one channel without an
        axis."""
        other = copy(self)
        shape = self._stored_shape
        other._channel_axis = axis
        rest = shape[1:] if axis is None else tuple(n for place, n in enumerate(shape) if place not in (0, axis))
        other.shape = (shape[0], 1 if axis is None else shape[axis], *rest)
        return other

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: RowIndex, /) -> NDArray[Any]:
        wanted = np.arange(len(self))[rows]
        images = np.empty((len(wanted), *self._stored_shape[1:]), self.dtype)
        size = int(np.prod(self._stored_shape[1:])) * self.dtype.itemsize
        breaks = np.flatnonzero(np.diff(wanted) != 1) + 1
        with open(self._path, "rb", buffering=0) as stream:
            for run in np.split(np.arange(len(wanted)), breaks):
                if len(run):
                    stream.seek(self._start + int(wanted[run[0]]) * size)
                    part = images[run[0] : run[-1] + 1].data.cast("B")
                    while part:  # one read returns at most two gigabytes
                        count = stream.readinto(part)
                        if not count:
                            raise SourceError("the archive is cut off", where=os.fspath(self._path))
                        part = part[count:]
        if self._channel_axis == 0:
            return images
        return images[:, None] if self._channel_axis is None else np.moveaxis(images, self._channel_axis, 1)
