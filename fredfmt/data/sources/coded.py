"""Coded images (JPEG, PNG or similar) by row: image files, or parts of larger files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Content: TypeAlias = Path | BytesIO
"""A coded image, in a form that Pillow can open."""


class Coded(Protocol):
    """N coded images. Only their positions, and the images that are being read, are in memory."""

    def __len__(self) -> int: ...

    def place(self, row: int) -> str:
        """The place of an image, for messages."""
        ...

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Content]]:
        """Pairs of a position in ``rows`` and the image of that row, in the order in which they are fastest to read."""
        ...


class Files:
    """Image files, one image per file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def place(self, row: int) -> str:
        """The path."""
        return str(self.paths[row])

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Path]]:
        """The paths in the order of ``rows``; the caller opens the files."""
        for position, row in enumerate(rows):
            yield position, self.paths[row]


class Chosen:
    """Some rows of other coded images."""

    def __init__(self, coded: Coded, rows: NDArray[np.intp]) -> None:
        self._coded, self._rows = coded, rows

    def __len__(self) -> int:
        return len(self._rows)

    def place(self, row: int) -> str:
        """The place of the image in the other images."""
        return self._coded.place(int(self._rows[row]))

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Content]]:
        """Read from the other images."""
        return self._coded.read(self._rows[rows])
