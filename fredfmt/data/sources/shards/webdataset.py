"""``webdataset:PATH``: tar files of images and labels, as WebDataset writes them."""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from fredfmt.data.sources.image_files import SUFFIXES
from fredfmt.data.sources.layout import listed
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.shards.address import Address
from fredfmt.data.sources.shards.spans import LARGEST, Spans, read_whole
from fredfmt.data.sources.shards.stored import Stored, open_shards
from fredfmt.data.sources.shards.tar_file import Sample, read_samples
from fredfmt.data.sources.source import Source
from fredfmt.errors import SourceError, access_explained, located, quoted

_NUMBER = re.compile(r"-?\d{1,18}")
_KEYS = ("label", "class", "cls")
_NAMES = ("class_name", "class", "label_name")
_TEXT = 1 << 20
"""The largest accepted size of a member that holds a label, in bytes."""


def open_webdataset(request: Request) -> Source:
    """``PATH`` is a tar file, a folder or a pattern; see `fredfmt.data.sources.shards.paths.find_shards` for the
    splits.

    A sample has one image (``.jpg``, ``.png``, ``.webp`` ...; ``#image=SUFFIX`` selects one of several). Its label, an
    integer or text, is in ``.cls``, or in ``.json`` under ``label``, ``class`` or ``cls`` (``#label=SUFFIX`` or
    ``#label=json.KEY`` select another). The name of a numbered class is in ``.json`` under ``class_name``, ``class`` or
    ``label_name``. ``#test=PATH`` names the shards of the test split. The shards are scanned once; then images are read
    from their positions.
    """
    address = Address.of(request, "PATH", ("image", "label", "test"))
    return open_shards(request, address, "webdataset", ".tar", read_tars)


def read_tars(paths: tuple[Path, ...], options: Mapping[str, str], others: Mapping[str, int]) -> Stored:
    """One split: the positions of its images, and their labels."""
    spans, labels, left_out = Spans(paths, "sample"), _Labels(options.get("label")), Counter(others)
    without: Sample | None = None
    for index, path in enumerate(paths):
        with access_explained("cannot be read", path), open(path, "rb", buffering=0) as stream, located(path):
            for sample in read_samples(stream, left_out):
                with located(sample.key):
                    image = _image(sample, options.get("image"))
                    if image is None:
                        left_out["samples without an image"] += 1
                        without = without or sample
                        continue
                    offset, size = sample.parts[image]
                    if size > LARGEST:
                        raise SourceError("too large", expected=f"at most {LARGEST:,} bytes", found=f"{size:,}")
                    spans.add(index, offset, size)
                    labels.add(sample, stream)
    if without is not None and not len(spans):
        raise SourceError(
            "no sample has an image",
            where=without.key,
            expected=f"a name that ends, from its first dot on, with one of {', '.join(sorted(SUFFIXES))}",
            found=listed([f".{suffix}" for suffix in without.parts]),
            hint="Say which: #image=SUFFIX after the path",
        )
    return Stored(spans, np.array(labels.values, np.int64), labels.words, labels.names, left_out)


def _image(sample: Sample, wanted: str | None) -> str | None:
    """The suffix of the sample's image."""
    if wanted is not None:
        return wanted.lower() if wanted.lower() in sample.parts else None
    found = [suffix for suffix in sample.parts if f".{suffix}" in SUFFIXES]
    if len(found) > 1:
        raise SourceError("several images", expected="one", found=", ".join(found), hint="Say which: #image=SUFFIX")
    return found[0] if found else None


class _Labels:
    """Collects the labels of samples."""

    def __init__(self, wanted: str | None) -> None:
        in_json = (wanted or "").startswith("json.")
        self._suffix = "json" if in_json else (wanted or "").lower()
        self._key = (wanted or "").removeprefix("json.") if in_json else ""
        self.values = array("q")
        self._words: dict[str, int] = {}
        self.names: dict[int, str] = {}
        """The names of numbered classes, if the samples hold them."""

    @property
    def words(self) -> tuple[str, ...] | None:
        """The different labels if they are text, else None."""
        return tuple(self._words) if self._words else None

    def add(self, sample: Sample, stream: FileIO) -> None:
        """Add the label of the next sample. Raises `SourceError` if it has none, or one of another kind than before."""
        label = self._label(sample, stream)
        if self.values and isinstance(label, str) != bool(self._words):
            kinds = ("an integer", "text") if isinstance(label, str) else ("text", "an integer")
            raise SourceError("labels are of two kinds", expected=kinds[0], found=f"{kinds[1]}, {quoted(label)}")
        if isinstance(label, str):
            self.values.append(self._words.setdefault(label, len(self._words)))
            return
        self.values.append(label)
        if label not in self.names and "json" in sample.parts:
            document = _json(sample, stream)
            name = next((document[key] for key in _NAMES if isinstance(document.get(key), str)), None)
            if name is not None:
                self.names[label] = name

    def _label(self, sample: Sample, stream: FileIO) -> int | str:
        suffix = self._suffix or next((one for one in ("cls", "json") if one in sample.parts), "")
        if suffix not in sample.parts:
            raise SourceError(
                "the image has no label",
                expected=f".{suffix}" if suffix else ".cls or .json",
                found=", ".join(f".{one}" for one in sample.parts),
                hint="" if self._suffix else "If another member holds it, add #label=SUFFIX after the path",
            )
        if suffix != "json":
            text = _text(sample, suffix, stream).strip()
            return int(text) if _NUMBER.fullmatch(text) else text
        document = _json(sample, stream)
        key = self._key or next((one for one in _KEYS if one in document), _KEYS[0])
        label = document.get(key)
        if isinstance(label, bool) or not isinstance(label, int | str) or (isinstance(label, int) and abs(label) >> 62):
            raise SourceError(
                "no label in the JSON",
                where=key,
                expected="an integer or text",
                found=quoted(label) if key in document else f"the keys {list(document)}",
            )
        return label


def _text(sample: Sample, suffix: str, stream: FileIO) -> str:
    """The content of a member; the position of the stream is restored."""
    before = stream.tell()
    with located(suffix):
        content = read_whole(stream, *sample.parts[suffix], most=_TEXT)
        stream.seek(before)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise SourceError("not UTF-8", found=str(error)) from None


def _json(sample: Sample, stream: FileIO) -> dict[str, Any]:
    try:
        document = json.loads(_text(sample, "json", stream))
    except (ValueError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError("not JSON", where="json", found=str(error)) from None
    if not isinstance(document, dict):
        raise SourceError("not a JSON object", where="json", found=quoted(document))
    return document
