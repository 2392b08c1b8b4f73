"""`ImageFiles`: paths in, images out, decoded when rows are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import RowIndex
from fredfmt.errors import SourceError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_GREY = ("1", "L", "LA", "La")
_DEEP = ("I", "F")
_SIXTEEN = ";16"


class ImageFiles:
    """Image files as (N, C, height, width) uint8, grey (C = 1) or RGB (C = 3); transparency is dropped.

    Without ``size`` all files must have the size of the first; with it, they are resized to cover it (bicubic) and
    cropped centrally. Whether they are grey is told by the files ``samples``: RGB if any of these has colour.
    Raises `SourceError` naming the file for one that cannot be decoded, has more than 8 bits a channel, another size,
    or colour where all were expected to be grey; files other than these are looked at only when they are asked for.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Sequence[Path], *, size: tuple[int, int] | None, samples: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._resize = size is not None
        self._mode = "RGB" if any(_is_colour(path) for path in samples) else "L"
        height, width = _size(self.paths[0]) if size is None else size
        self.shape: tuple[int, ...] = (len(self.paths), 3 if self._mode == "RGB" else 1, height, width)

    def like(self, paths: Sequence[Path]) -> ImageFiles:
        """Other files, to be read in the same size and mode."""
        other = copy(self)
        other.paths = tuple(paths)
        other.shape = (len(other.paths), *self.shape[1:])
        return other

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: RowIndex, /) -> NDArray[np.uint8]:
        chosen = np.arange(len(self.paths))[rows]
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for row, index in enumerate(chosen):
            images[row] = self._decode(self.paths[index])
        return images

    def _decode(self, path: Path) -> NDArray[np.uint8]:
        """(C, height, width)."""
        from PIL import Image, ImageOps

        height, width = self.shape[2:]
        with _opened(path) as image:
            if self._mode == "L" and image.mode not in _GREY:
                raise SourceError(
                    "an image has colour and the first of each class are grey",
                    where=str(path),
                    hint="Convert the images to one kind",
                )
            converted = image.convert(self._mode)
        if self._resize:
            converted = ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC)
        elif converted.size != (width, height):
            raise SourceError(
                "images differ in size",
                where=str(path),
                expected=(height, width),
                found=converted.size[::-1],
                hint="Ask for a size (--size) to resize them",
            )
        pixels = np.asarray(converted)
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _is_colour(path: Path) -> bool:
    with _opened(path) as image:
        return image.mode not in _GREY


def _size(path: Path) -> tuple[int, int]:
    with _opened(path) as image:
        return int(image.height), int(image.width)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """An image file whose header was read; anything that fails inside the block is a `SourceError` naming it."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            stored = [image.mode, *(str(tile[3]) for tile in getattr(image, "tile", []))]
            if image.mode.startswith(_DEEP) or any(_SIXTEEN in mode for mode in stored):  # such colour has mode RGB
                raise SourceError(
                    "an image has more than 8 bits a channel", where=str(path), found=f"PIL mode {' '.join(stored)}"
                )
            yield image
    except SourceError:
        raise
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError("cannot be decoded", where=str(path), found=f"{type(error).__name__}: {error}") from None
