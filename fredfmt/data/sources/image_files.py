"""`ImageFiles`: coded images as an array of pixels, whose rows are decoded when they are accessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import RowIndex, Selected, channel_normalization
from fredfmt.data.sources.coded import Coded, Content
from fredfmt.data.sources.request import Request
from fredfmt.errors import SourceError, located
from fredfmt.model.parts import Normalization

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
"""Suffixes of formats that can hold several pages or frames."""
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are decoded, whatever the file's suffix. For some others Pillow would start
external programs."""
_MEASURED = 4096
_GREY = ("1", "L", "LA", "La")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_DEEP = ("I", "F")
_SIXTEEN = re.compile("(?<!BGR);16")
"""Pillow's modes of 16 bits per channel contain this; BGR;16 has 5, 6 and 5 bits."""
_WHITE = 255
_ORIENTATION, _LYING = 0x0112, 5
"""EXIF's orientation tag, and its smallest value that exchanges height and width."""


class ImageFiles:
    """Coded images as (N, C, height, width) uint8, grey (C = 1) or RGB (C = 3), as an image viewer shows them.

    The EXIF orientation is applied, transparency is shown on white, and only the first of several pages or frames is
    used. Without ``size`` all images must have the size of the first; with it, they are resized to cover it (bicubic)
    and cropped centrally. All images are RGB if one of the rows ``samples`` has colour, and grey otherwise. Raises
    `SourceError`, naming the file (and the row in it), for an image that cannot be decoded, has more than 8 bits per
    channel or another size, is white on a transparent background, or has colour although the samples are grey. Images
    other than the samples are checked when they are accessed.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, coded: Coded, *, size: tuple[int, int] | None, samples: Sequence[int]) -> None:
        self.coded = coded
        self._resize = size is not None
        looks = _looks(coded, {0, *map(int, samples)})
        self._mode = "RGB" if any(looks[int(row)].colour for row in samples) else "L"
        height, width = looks[0].size if size is None else size
        self.shape: tuple[int, ...] = (len(coded), 3 if self._mode == "RGB" else 1, height, width)

    def like(self, coded: Coded) -> ImageFiles:
        """Other coded images, decoded with the same size and colour mode."""
        other = copy(self)
        other.coded = coded
        other.shape = (len(coded), *self.shape[1:])
        return other

    def __len__(self) -> int:
        return len(self.coded)

    def __getitem__(self, rows: RowIndex, /) -> NDArray[np.uint8]:
        chosen = np.arange(len(self.coded))[rows]
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for position, content in self.coded.read(chosen):
            images[position] = self._decode(content, int(chosen[position]))
        return images

    def _decode(self, content: Content, row: int) -> NDArray[np.uint8]:
        """(C, height, width)."""
        from PIL import Image, ImageOps

        height, width = self.shape[2:]
        with located(self.coded.place(row)), _opened(content) as image:
            if self._mode == "L" and image.mode not in _GREY:
                raise SourceError(
                    "an image has colour, but the first of each class are grey",
                    hint="Convert the images to one kind",
                )
            converted = _on_white(ImageOps.exif_transpose(image)).convert(self._mode)
            if self._resize:
                converted = ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC)
            elif converted.size != (width, height):
                raise SourceError(
                    "images differ in size",
                    expected=(height, width),
                    found=converted.size[::-1],
                    hint="Choose a size (--size) to resize them",
                )
        pixels = np.asarray(converted)
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def open_images(
    request: Request, train: Coded, labels: NDArray[np.int64], wanted: Coded
) -> tuple[ImageFiles, Normalization]:
    """The images ``wanted``, decoded lazily, and the normalisation of the train images, whose labels are ``labels``.

    It is measured on all train images, or on 4096 evenly spaced ones if there are more. Raises what
    `Request.check_shape` raises, as soon as the shape is known.
    """
    files = ImageFiles(train, size=request.size, samples=np.unique(labels, return_index=True)[1].tolist())
    request.check_shape(files.shape[2:], resizable=True)
    spread = np.unique(np.linspace(0, len(files) - 1, min(len(files), _MEASURED)).round().astype(np.intp))
    return files if wanted is train else files.like(wanted), channel_normalization(Selected(files, spread))


class _Look(NamedTuple):
    """The header of an image."""

    colour: bool
    size: tuple[int, int]
    """(height, width) after the orientation is applied."""


def _looks(coded: Coded, rows: set[int]) -> dict[int, _Look]:
    seen = np.array(sorted(rows), np.intp)
    found = {}
    for position, content in coded.read(seen):
        row = int(seen[position])
        with located(coded.place(row)), _opened(content) as image:
            lying = image.getexif().get(_ORIENTATION, 1) >= _LYING
            size = (image.width, image.height) if lying else (image.height, image.width)
            found[row] = _Look(image.mode not in _GREY, size)
    return found


def count_frames(path: Path) -> int:
    """Number of pages or frames in an image file. Raises `SourceError` if it cannot be opened."""
    with located(path), _opened(path) as image:
        return int(getattr(image, "n_frames", 1))


def _on_white(image: Image) -> Image:
    """The image on a white background. Raises `SourceError` if it is not visible on white."""
    from PIL import Image as images

    if image.mode not in _TRANSPARENT and "transparency" not in image.info:
        return image
    clear = image.convert("RGBA")
    shown = images.alpha_composite(images.new("RGBA", clear.size, (_WHITE,) * 4), clear).convert("RGB")
    if shown.getextrema() == ((_WHITE, _WHITE),) * 3 and clear.getchannel("A").getextrema() != (0, 0):
        raise SourceError(
            "the image is white on a transparent background, so it is not visible on white",
            hint="Put the images on another background colour first",
        )
    return shown if image.mode not in _GREY else shown.convert("L")


@contextmanager
def _opened(content: Content) -> Iterator[Image]:
    """An image whose header was read. Any failure in the block becomes a `SourceError`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(content, formats=_FORMATS) as image:
            stored = [image.mode, *(str(tile[3]) for tile in getattr(image, "tile", []))]
            if image.mode.startswith(_DEEP) or any(map(_SIXTEEN.search, stored)):  # 16-bit colour also has mode RGB
                raise SourceError("an image has more than 8 bits per channel", found=f"PIL mode {' '.join(stored)}")
            yield image
    except SourceError:
        raise
    except UnidentifiedImageError:
        raise SourceError("cannot be decoded", found="no known format of images") from None
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError("cannot be decoded", found=f"{type(error).__name__}: {error}") from None
