"""`ImageFiles`: paths in, images out, decoded when rows are asked for."""

from __future__ import annotations

import re
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

SUFFIXES = frozenset(
    {
        ".apng",
        ".bmp",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
OF_SEVERAL = frozenset({".apng", ".gif", ".png", ".tif", ".tiff", ".webp"})
"""Suffixes of formats that may have several pages or frames."""
_GREY = ("1", "L", "LA", "La")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_DEEP = ("I", "F")
_SIXTEEN = re.compile("(?<!BGR);16")
"""What Pillow calls 16 bits per channel; BGR;16 is 5, 6 and 5 bits."""
_WHITE = 255
_ORIENTATION, _LYING = 0x0112, 5
"""EXIF's tag of the orientation, and its first value that exchanges height and width."""


class ImageFiles:
    """Image files as (N, C, height, width) uint8, grey (C = 1) or RGB (C = 3), as a viewer shows them.

    They are turned upright as their EXIF data say, transparency is laid on white, and of several pages or frames the
    first is taken. Without ``size`` all files must have the size of the first; with it, they are resized to cover it
    (bicubic) and cropped centrally. The files ``samples`` decide whether they are grey: RGB if any of these has
    colour. Raises `SourceError` naming the file for one that cannot be decoded, has more than 8 bits per channel,
    another size, ink that white hides, or colour where all were expected to be grey; files other than these are looked
    at only when they are asked for.
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
            converted = _on_white(ImageOps.exif_transpose(image), path).convert(self._mode)
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
    """(height, width) of the upright image."""
    with _opened(path) as image:
        lying = image.getexif().get(_ORIENTATION, 1) >= _LYING
        return (int(image.width), int(image.height)) if lying else (int(image.height), int(image.width))


def count_frames(path: Path) -> int:
    """Pages or frames of an image file. Raises `SourceError` if it cannot be opened."""
    with _opened(path) as image:
        return int(getattr(image, "n_frames", 1))


def _on_white(image: Image, path: Path) -> Image:
    """The image without transparency. Raises `SourceError` where that leaves nothing to see of it."""
    from PIL import Image as images

    if image.mode not in _TRANSPARENT and "transparency" not in image.info:
        return image
    clear = image.convert("RGBA")
    shown = images.alpha_composite(images.new("RGBA", clear.size, (_WHITE,) * 4), clear).convert("RGB")
    if shown.getextrema() == ((_WHITE, _WHITE),) * 3 and clear.getchannel("A").getextrema() != (0, 0):
        raise SourceError(
            "white ink on transparency, of which nothing is left on white",
            where=str(path),
            hint="Lay the images on another colour before",
        )
    return shown if image.mode not in _GREY else shown.convert("L")


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """An image file whose header was read; anything that fails inside the block is a `SourceError` naming it."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            stored = [image.mode, *(str(tile[3]) for tile in getattr(image, "tile", []))]
            if image.mode.startswith(_DEEP) or any(map(_SIXTEEN.search, stored)):  # such colour has mode RGB
                raise SourceError(
                    "an image has more than 8 bits per channel", where=str(path), found=f"PIL mode {' '.join(stored)}"
                )
            yield image
    except SourceError:
        raise
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError("cannot be decoded", where=str(path), found=f"{type(error).__name__}: {error}") from None
