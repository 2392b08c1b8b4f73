"""`font_for`: finds a font that has all letters of a text.

Pillow's own font has only Latin letters. Names in other scripts are drawn with a font that is installed on this
machine, such as DejaVu, Noto, Droid, or a system font of macOS or Windows.
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
"""Parts of the file names of fonts that are used only if no plain font has the letters."""
_PROBE = 12
_NOT_A_LETTER = "\U0010ffff"
"""A code point that no font has: every missing letter is drawn like it."""


def font_for(text: str, size: float) -> FreeTypeFont | ImageFont:
    """Pillow's font if it has all letters of ``text``, else an installed font that has all, or most, of them.

    Logs a warning, once for the same letters, if no installed font has them all.

    >>> from fredfmt.view.fonts import font_for
    >>> font_for("Trouser", 12).getname()
    ('Aileron', 'Regular')
    """
    from PIL import ImageFont

    own = ImageFont.load_default(size)
    if not isinstance(own, ImageFont.FreeTypeFont):
        return own
    missing = _missing(own, _letters(text))
    path = _best_font(missing, _folders()) if missing else None
    return own if path is None else ImageFont.truetype(path, size)


@cache
def _best_font(letters: frozenset[str], folders: tuple[Path, ...]) -> str | None:
    """The file of the first font, plain ones first, that has all ``letters``, or else of the one that has most."""
    from PIL import ImageFont

    best, least = None, len(letters)
    for path in _installed(folders):
        try:
            absent = len(_missing(ImageFont.truetype(path, _PROBE), letters))
        except (OSError, ValueError):
            continue  # a font that Pillow cannot read
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
    """The letters of a text that are visible."""
    return frozenset(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Zs", "Mn"))


def _missing(font: FreeTypeFont, letters: frozenset[str]) -> frozenset[str]:
    def drawn(letter: str) -> tuple[tuple[int, int], bytes]:
        mask = font.getmask(letter)
        return mask.size, bytes(mask)

    absent = drawn(_NOT_A_LETTER)
    return frozenset(letter for letter in letters if drawn(letter) == absent)


@cache
def _installed(folders: tuple[Path, ...]) -> tuple[str, ...]:
    """The files of all fonts in some folders: plain ones first, then by name."""
    found = {
        str(Path(folder, name))
        for root in folders
        for folder, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    }

    def order(path: str) -> tuple[bool, str]:
        stem = Path(path).stem.lower()
        return any(style in stem for style in _STYLED), stem

    return tuple(sorted(found, key=order))


def _folders() -> tuple[Path, ...]:
    """The folders of fonts of this system."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData/Local"))
        return Path(local, "Microsoft/Windows/Fonts"), Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    return (*(Path(folder, "fonts") for folder in (own, *shared.split(":"))), home / ".fonts")
