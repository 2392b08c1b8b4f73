"""Draws simple pictures with Pillow: lines, cells, text and plots with axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fredfmt.view.fonts import font_for

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

PAPER: Colour = (255, 255, 255)
INK: Colour = (30, 31, 36)
QUIET: Colour = (95, 96, 104)
LINE: Colour = (222, 220, 214)
SERIES: tuple[Colour, ...] = ((47, 85, 151), (183, 94, 36), (31, 122, 90), (140, 62, 130), (120, 110, 30), (70, 72, 80))
_FINE = 4
"""Shapes are drawn this many times larger and then reduced, for smooth edges."""
_FEW, _MANY = 3, 8
"""The number of ticks on an axis."""
_HEAT = np.array([[16, 14, 38], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], np.float64)


class Sheet:
    """A picture to draw on; positions are in pixels from the top left."""

    def __init__(self, width: int, height: int) -> None:
        self._shapes: Image | None = None
        self._pasted: list[tuple[NDArray[np.uint8], tuple[int, int], tuple[int, int]]] = []
        self._words: list[tuple[Point, str, float, Colour, str]] = []
        self._size = (width, height)

    def line(self, points: Sequence[Point], colour: Colour = INK, width: float = 1.5) -> None:
        """A line through ``points``."""
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self._pen().line(fine, fill=colour, width=max(1, round(width * _FINE)), joint="curve")

    def _pen(self) -> ImageDraw:
        """Draws shapes on an enlarged copy, which is created when the first shape is drawn."""
        from PIL import Image, ImageDraw

        if self._shapes is None:
            self._shapes = Image.new("RGB", (self._size[0] * _FINE, self._size[1] * _FINE), PAPER)
        return ImageDraw.Draw(self._shapes)

    def dot(self, at: Point, colour: Colour, radius: float = 3.5, *, hollow: bool = False) -> None:
        """A disc, or a ring."""
        (x, y), r = at, radius
        box = tuple(round(part * _FINE) for part in (x - r, y - r, x + r, y + r))
        self._pen().ellipse(box, fill=PAPER if hollow else colour, outline=colour, width=round(1.5 * _FINE))

    def words(self, at: Point, text: str, *, size: float = 12, colour: Colour = INK, anchor: str = "la") -> None:
        """A line of text; ``anchor`` is Pillow's: l, m or r and a, m or s."""
        self._words.append((at, text, size, colour, anchor))

    def paste(self, pixels: NDArray[np.uint8], at: tuple[int, int], size: tuple[int, int]) -> None:
        """Paste an (h, w, 3) picture at ``at``, enlarged to ``size`` (width, height) without smoothing."""
        self._pasted.append((pixels, at, size))

    def picture(self) -> Image:
        """The finished picture."""
        from PIL import Image, ImageDraw

        if self._shapes is None:
            picture = Image.new("RGB", self._size, PAPER)
        else:
            picture = self._shapes.resize(self._size, Image.Resampling.BOX)
        for pixels, corner, box in self._pasted:
            picture.paste(Image.fromarray(pixels).resize(box, Image.Resampling.NEAREST), corner)
        pen = ImageDraw.Draw(picture)
        for at, text, size, colour, anchor in self._words:
            pen.text(at, text, fill=colour, font=font_for(text, size), anchor=anchor)
        return picture


@dataclass(frozen=True)
class Scale:
    """The numbers from ``low`` to ``high`` along an axis, logarithmic if ``log``."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """The position of a number: 0 at the lower end, 1 at the upper."""
        low, high, value = (math.log(part) if self.log else part for part in (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round numbers for the labels of the axis, at least three; in a narrow logarithmic range they are equally
        spaced.

        >>> Scale(1, 5000, log=True).ticks()
        [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0]
        >>> Scale(11_000, 22_000, log=True).ticks()
        [12000.0, 14000.0, 16000.0, 18000.0, 20000.0, 22000.0]
        """
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                found = [factor * 10.0**decade for decade in decades for factor in factors]
                inside = [tick for tick in found if self.low * (1 - 1e-9) <= tick <= self.high * (1 + 1e-9)]
                if _FEW <= len(inside) <= _MANY:
                    return inside
            if len(inside) > _MANY:
                return inside
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = min((f * unit for f in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


@dataclass(frozen=True)
class Axes:
    """A plot on a sheet: a box of (left, top, right, bottom) and a scale for each direction."""

    sheet: Sheet
    box: tuple[float, float, float, float]
    x: Scale
    y: Scale

    def place(self, x: float, y: float) -> Point:
        """The pixel of a point of the plot."""
        left, top, right, bottom = self.box
        return left + (right - left) * self.x.at(x), bottom - (bottom - top) * self.y.at(y)

    def draw(self, *, x_name: str = "", y_name: str = "", size: float = 12) -> None:
        """Draw the frame: lines at the ticks of y, numbers and names."""
        left, top, right, bottom = self.box
        for tick in self.y.ticks():
            y = self.place(self.x.low, tick)[1]
            self.sheet.line([(left, y), (right, y)], LINE, 1)
            self.sheet.words((left - 6, y), written(tick), size=size, colour=QUIET, anchor="rm")
        for tick in self.x.ticks():
            x = self.place(tick, self.y.low)[0]
            self.sheet.line([(x, bottom), (x, bottom + 4)], QUIET, 1)
            self.sheet.words((x, bottom + 7), written(tick), size=size, colour=QUIET, anchor="ma")
        self.sheet.line([(left, bottom), (right, bottom)], QUIET, 1)
        self.sheet.words((right, bottom + 24), x_name, size=size, colour=INK, anchor="ra")
        self.sheet.words((left - 30, top - 22), y_name, size=size, colour=INK)

    def curve(self, xs: Sequence[float], ys: Sequence[float], colour: Colour, width: float = 1.5) -> None:
        """Draw a line through the points that are in the range of the plot."""
        self.sheet.line([self.place(x, y) for x, y in zip(xs, ys, strict=True)], colour, width)


def written(number: float) -> str:
    """A number as the label of an axis: 0.5, 20, 5,000, 10k, 2M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= max(unit, 1e4):
            return f"{number / unit:g}{letter}"
    return f"{number:,.10g}"


def heat(level: NDArray[Any]) -> NDArray[np.uint8]:
    """(h, w, 3): levels of 0..1 as colours from dark to light, black where negative."""
    anchors = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(level, anchors, _HEAT[:, i]) for i in range(3)], axis=-1)
    return np.where(level[..., None] < 0, 0, colours).round().astype(np.uint8)
