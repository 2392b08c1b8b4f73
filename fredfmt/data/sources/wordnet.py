"""Classes of ImageNet and its kin, whose folders are named by WordNet numbers: numbers in, words out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from fredfmt.data.sources.listing import Listing

_NUMBER = re.compile(r"n\d{8}")
_WORDS = "words.txt"


def named(listing: Listing, root: Path) -> Listing:
    """The listing with the classes named by the first word of each in ``root/words.txt``, and by number as aliases.

    As it is where the classes are not all WordNet numbers, or there is no such file. A word that several classes have
    is followed by the number.
    """
    place = root / _WORDS
    if not all(map(_NUMBER.fullmatch, listing.classes)) or not place.is_file():
        return listing
    entries = (line.partition("\t") for line in place.read_text(encoding="utf-8", errors="replace").splitlines())
    first = {number: words.partition(",")[0].strip() for number, _, words in entries}
    words = [first.get(number) or number for number in listing.classes]
    several = Counter(words)
    classes = (
        f"{word} ({number})" if several[word] > 1 else word for word, number in zip(words, listing.classes, strict=True)
    )
    return replace(listing, classes=tuple(classes), aliases=listing.classes)
