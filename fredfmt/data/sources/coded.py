"""Coded images, JPEG, PNG and their like, by row: image files, or parts of larger files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Content: TypeAlias = Path | BytesIO
"""A coded image, as Pillow opens it."""


class Coded(Protocol):
    """N coded images. Memory holds where they are, and no more of them than are being read."""

    def __len__(self) -> int: ...

    def place(self, row: int) -> str:
        """Where an image is, for messages."""
        ...

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Content]]:
        """The images of some rows, each with its position in ``rows``, in whichever order they are read fastest."""
        ...


class Files:
    """An image in each file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def place(self, row: int) -> str:
        """The path."""
        return str(self.paths[row])

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Path]]:
        """The paths in the order asked for; the files are opened by whoever decodes them."""
        for position, row in enumerate(rows):
            yield position, self.paths[row]


class Chosen:
    """Some rows of other coded images."""

    def __init__(self, coded: Coded, rows: NDArray[np.intp]) -> None:
        self._coded, self._rows = coded, rows

    def __len__(self) -> int:
        return len(self._rows)

    def place(self, row: int) -> str:
        """Where it is among the others."""
        return self._coded.place(int(self._rows[row]))

    def read(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, Content]]:
        """As the others are read."""
        return self._coded.read(self._rows[rows])
