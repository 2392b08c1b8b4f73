"""Names for the classes of ImageNet and its subsets, whose folders are named by WordNet numbers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from fredfmt.data.sources.listing import Listing

_NUMBER = re.compile(r"n\d{8}")
_WORDS = "words.txt"


def named(listing: Listing, root: Path) -> Listing:
    """The listing with each class named by its first word in ``root/words.txt``, and its number as an alias. If several
    classes have the same word, the number is appended. The listing is unchanged if there is no such file, or if not all
    classes are WordNet numbers.
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
