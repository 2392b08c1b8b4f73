"""`font_for`: a text and a size in, a font with all letters of the text out.

Pillow's own font has Latin letters only. Names in other scripts are drawn with a font that is installed on this
machine: DejaVu, Noto, Droid, and what macOS and Windows bring along.
"""

from __future__ import annotations

import logging
import os
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_log = logging.getLogger(__name__)
_SUFFIXES = (".ttf", ".ttc", ".otf", ".otc")
_STYLED = (
    "bold",
    "italic",
    "oblique",
    "mono",
    "serif",
    "light",
    "thin",
    "black",
    "medium",
    "condensed",
    "narrow",
    "math",
)
"""Parts of file names of fonts that are taken only if no plain one will do."""
_PROBE = 12
_NOT_A_LETTER = "\U0010ffff"
"""A code point that no font has: what is drawn for it is drawn for every missing letter."""


def font_for(text: str, size: float) -> FreeTypeFont | ImageFont:
    """Pillow's font where it has all letters of ``text``, else an installed one that has all of them, or most.

    Logs a warning, once for the same letters, where no installed font has them all.

    >>> from fredfmt.view.fonts import font_for
    >>> font_for("Trouser", 12).getname()
    ('Aileron', 'Regular')
    """
    from PIL import ImageFont

    own = ImageFont.load_default(size)
    if not isinstance(own, ImageFont.FreeTypeFont):
        return own
    missing = _missing(own, _letters(text))
    path = _best_font(missing) if missing else None
    return own if path is None else ImageFont.truetype(path, size)


@cache
def _best_font(letters: frozenset[str]) -> str | None:
    """The file of the first font, plain ones first, that has all ``letters``, or else of the one that has most."""
    from PIL import ImageFont

    best, least = None, len(letters)
    for path in _installed():
        try:
            absent = len(_missing(ImageFont.truetype(path, _PROBE), letters))
        except (OSError, ValueError):
            continue  # a font that Pillow does not read
        if absent < least:
            best, least = path, absent
        if least == 0:
            return best
    _log.warning(
        "no installed font has the letters %s: install one, such as Debian's fonts-noto-cjk or fonts-droid-fallback",
        " ".join(sorted(letters)),
    )
    return best


def _letters(text: str) -> frozenset[str]:
    """The letters of a text that leave a mark."""
    return frozenset(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Zs", "Mn"))


def _missing(font: FreeTypeFont, letters: frozenset[str]) -> frozenset[str]:
    def drawn(letter: str) -> tuple[tuple[int, int], bytes]:
        mask = font.getmask(letter)
        return mask.size, bytes(mask)

    absent = drawn(_NOT_A_LETTER)
    return frozenset(letter for letter in letters if drawn(letter) == absent)


@cache
def _installed() -> tuple[str, ...]:
    """The files of all fonts in the folders of this system: plain ones first, then by name."""
    found = {
        str(Path(folder, name))
        for root in _folders()
        for folder, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    }

    def order(path: str) -> tuple[bool, str]:
        stem = Path(path).stem.lower()
        return any(style in stem for style in _STYLED), stem

    return tuple(sorted(found, key=order))


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData/Local"))
        return [Path(local, "Microsoft/Windows/Fonts"), Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    return [Path(folder, "fonts") for folder in (own, *shared.split(":"))] + [home / ".fonts"]
