"""`Spans`: coded images that lie uncompressed in larger files, each at an offset."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from io import BytesIO, RawIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError, access_explained, located

LARGEST = 256 << 20
"""The largest accepted size of a coded image, in bytes."""


class Spans:
    """Coded images by file, offset and size. Files are opened while rows are read, and closed again. Raises
    `SourceError` for an image of more than 256 MiB, or one that is no longer in its file.
    """

    def __init__(self, paths: tuple[Path, ...], unit: str) -> None:
        self._paths, self._unit = paths, unit
        self._file, self._offset, self._size = array("q"), array("q"), array("q")

    def add(self, file: int, offset: int, size: int) -> None:
        """Add the next image, in the file ``paths[file]``; files must be in ascending order."""
        self._file.append(file)
        self._offset.append(offset)
        self._size.append(size)

    def add_all(self, file: int, offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        """Add the next images, all in one file."""
        self._file.extend([file] * len(offsets))
        self._offset.frombytes(offsets.astype(np.int64).tobytes())
        self._size.frombytes(sizes.astype(np.int64).tobytes())

    def __len__(self) -> int:
        return len(self._file)

    def place(self, row: int) -> str:
        """The file, and the index of the image in it."""
        files = np.frombuffer(self._file, np.int64)
        file = int(files[row])
        return f"{self._paths[file]}: {self._unit} {row - int(np.searchsorted(files, file))}"

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, BytesIO]]:
        """Read the images file by file, in the order of their offsets."""
        files, offsets = np.frombuffer(self._file, np.int64)[rows], np.frombuffer(self._offset, np.int64)[rows]
        order = np.lexsort((offsets, files))
        breaks = np.flatnonzero(np.diff(files[order])) + 1
        for positions in np.split(order, breaks) if len(rows) else ():
            path = self._paths[int(files[positions[0]])]
            with access_explained("cannot be read", path), open(path, "rb", buffering=0) as stream:
                for position in positions:
                    row = int(rows[position])
                    with located(self.place(row)):
                        content = read_whole(stream, self._offset[row], self._size[row])
                    yield int(position), BytesIO(content)


def read_whole(stream: RawIOBase, offset: int, size: int, most: int = LARGEST) -> bytes:
    """Read ``size`` bytes from ``offset`` on. Raises `SourceError` if they are more than ``most``, or beyond the
    end."""
    if size > most:
        raise SourceError("too large", expected=f"at most {most:,} bytes", found=f"{size:,}")
    stream.seek(offset)
    content = b""
    while len(content) < size:
        part = stream.read(size - len(content))
        if not part:
            raise SourceError("the file is cut off", expected=f"{size:,} bytes", found=f"{len(content):,}")
        content += part
    return content
