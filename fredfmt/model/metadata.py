"""The metadata of a dataset: a typed `Metadata` in the program, one JSON document in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from fredfmt.errors import FormatError, VersionError, check, located, together
from fredfmt.model.parts import (
    Normalization,
    Quantization,
    Whitening,
    fields_of,
    read_normalization,
    read_quantization,
    read_whitening,
)
from fredfmt.model.typed import Json, integer, mapping, several, text, thawed

FORMAT = "fred"
VERSION = "1.0"
CHANNEL_TRANSFORM = "dct"
"""The only transform along channels."""
_VERSION = re.compile(r"1\.(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Metadata:
    """The metadata of a dataset. Fields have the names of the JSON document.

    The first five fields, normalisation, channel transform and whitening define the data and are part of the content
    digest; the others describe where the data come from and how to use them.

    Raises `FormatError` for a field of the wrong type, and for fields that contradict each other.

    >>> metadata = Metadata((8, 12), 3, ("cat", "dog"), "dct", Quantization("uniform", 0.5), license="CC0-1.0")
    >>> metadata.spatial_shape, metadata.classes, metadata.license
    ((8, 12), ('cat', 'dog'), 'CC0-1.0')
    """

    spatial_shape: tuple[int, ...]
    """Lengths of the 1, 2 or 3 spatial axes, for images (height, width)."""
    channels: int
    classes: tuple[str, ...]
    """Class names, in the order of the labels."""
    transform: str
    """Name in `fredfmt.transforms`."""
    quantization: Quantization
    normalization: Normalization | None = None
    """None: images are in 0..1."""
    channel_transform: str | None = None
    """Transform along the channels, ``dct``; None: coefficients are those of the channels themselves."""
    whitening: Whitening | None = None
    """How images were whitened; None: they were not."""
    mask: Json = field(default_factory=dict)
    """How frequencies were chosen: strategy, scope, share of the variance kept."""
    reconstruction: Json = field(default_factory=dict)
    """Error of the stored images relative to the original images, in the space of the images."""
    source: Json = field(default_factory=dict)
    """The real dataset: name, split, number of images, licence, address."""
    distillation: Json = field(default_factory=dict)
    """Objective, all its settings and the seed; empty if real images were encoded."""
    recipe: Json = field(default_factory=dict)
    """How to train on the data: learning rate, epochs, augmentation."""
    results: tuple[Json, ...] = ()
    """Accuracies reached, each with its protocol."""
    license: str | None = None
    """SPDX identifier."""
    citation: str | None = None
    writer: Json = field(default_factory=dict)
    """Name and version of the program that wrote the file."""
    ext: Json = field(default_factory=dict)
    """Anything else, under names that you choose."""
    extensions: Json = field(default_factory=dict)
    """Fields of later versions that a reader may ignore (``must_understand`` is false); kept as they are."""

    def __post_init__(self) -> None:
        with together():
            for entry in fields(self):
                value = getattr(self, entry.name)
                if value is None and entry.default is None:
                    continue
                with check(), located(entry.name):
                    object.__setattr__(self, entry.name, _reader(entry.name)(value))
            with check(), located("extensions"):
                _check_extensions(self.extensions)
        with together():
            with check():
                if not 1 <= len(self.spatial_shape) <= 3 or not all(0 < n < 2**31 for n in self.spatial_shape):
                    raise FormatError(
                        "unusable",
                        where="spatial_shape",
                        expected="1, 2 or 3 axes, lengths from 1 to 2**31 - 1",
                        found=list(self.spatial_shape),
                        rule="FRED-115",
                    )
            with check():
                if self.channels < 1:
                    raise FormatError(
                        "unusable", where="channels", expected="at least 1", found=self.channels, rule="FRED-116"
                    )
            with check():
                if not self.classes or len(set(self.classes)) != len(self.classes) or "" in self.classes:
                    raise FormatError(
                        "class names must be unique and not empty",
                        where="classes",
                        found=list(self.classes),
                        rule="FRED-117",
                    )
            with check():
                if self.normalization is not None and len(self.normalization.mean) != self.channels:
                    raise FormatError(
                        "not one value per channel",
                        where="normalization",
                        expected=f"{self.channels} values",
                        found=len(self.normalization.mean),
                        rule="FRED-120",
                    )
            with check():
                if self.channel_transform not in (None, CHANNEL_TRANSFORM):
                    raise FormatError(
                        "unknown",
                        where="channel_transform",
                        expected=CHANNEL_TRANSFORM,
                        found=self.channel_transform,
                        rule="FRED-123",
                    )

    def __reduce__(self) -> tuple[Any, ...]:
        return Metadata.from_json, (self.to_json(),)

    @property
    def transforms(self) -> str:
        """The transform, and whether there is one along the channels, in words."""
        return self.transform if self.channel_transform is None else f"{self.transform}, also along the channels"

    def to_json(self) -> dict[str, Any]:
        """The JSON document, without the integrity part that a container adds."""
        document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Quantization | Normalization | Whitening):
                value = {key.name: getattr(value, key.name) for key in fields(value)}
                value = {key: part for key, part in value.items() if part is not None and part != {}}
            if entry.name in _REQUIRED or not (value is None or value in ((), {})):
                document[entry.name] = thawed(value)
        return {**document.pop("extensions", {}), **document}

    @classmethod
    def from_json(cls, document: Any) -> Metadata:
        """Read a JSON document. Raises `FormatError`, or `VersionError` for an unknown version."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise FormatError(
                "not a fred document", where="format", expected=f"an object with format {FORMAT}", rule="FRED-110"
            )
        version = document.get("version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise VersionError(
                "an unknown version of the format",
                where="version",
                expected="1.0, or another 1.x",
                found=version,
                hint="A newer version of fredfmt may read it",
                rule="FRED-111",
            )
        known = {entry.name for entry in fields(cls)} - {"extensions"}
        read: dict[str, Any] = {"extensions": {}}
        with together():
            with check():
                if missing := sorted(_REQUIRED - set(document)):
                    raise FormatError("fields are missing", expected=", ".join(missing), rule="FRED-112")
            if "counts" in document:
                with check(), located("counts"):
                    _check_counts(document["counts"])
            for name in sorted(set(document) - _ADDED):
                with check(), located(name):
                    if name in known:
                        read[name] = _reader(name)(document[name])
                    else:
                        read["extensions"][name] = _extension(document[name], version)
        with together():
            return cls(**read)


_ADDED = frozenset({"format", "version", "integrity", "counts"})
"""Fields of the document that a container adds."""
_REQUIRED = frozenset({"spatial_shape", "channels", "classes", "transform", "quantization"})


def _check_extensions(extensions: Json) -> None:
    """Raise `FormatError` for fields that could not be read back as extensions."""
    taken = {entry.name for entry in fields(Metadata)} | _ADDED
    for name, value in extensions.items():
        if name in taken or not isinstance(value, Mapping) or value.get("must_understand") is not False:
            raise FormatError(
                "not an extension",
                where=name,
                expected="a name that the specification does not use, and an object with must_understand false",
                hint="Put custom fields into ext",
                rule="FRED-114",
            )


def _extension(value: Any, version: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("must_understand") is not False:
        raise VersionError(
            "an unknown field",
            expected="a name of the specification, or an object with must_understand false",
            found=f"a document of version {version}",
            hint="Put custom fields into ext; a newer version of fredfmt may know the field",
            rule="FRED-114",
        )
    return value


def _check_counts(value: Any) -> None:
    """Check the form of the field ``counts``, which replaces arrays and is read with them."""
    counted = fields_of(value, {"labels", "mask_of"}, set())
    if any(count < 0 for part in counted.values() for count in several(integer, part)):
        raise FormatError("a count is negative", expected="integers of at least 0", rule="FRED-122")
    if not counted:
        raise FormatError("no counts", expected="labels, mask_of or both", rule="FRED-122")


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "spatial_shape": partial(several, integer),
    "channels": integer,
    "classes": partial(several, text),
    "transform": text,
    "quantization": read_quantization,
    "normalization": read_normalization,
    "channel_transform": text,
    "whitening": read_whitening,
    "results": partial(several, mapping),
    "license": text,
    "citation": text,
}
"""Readers of the fields that are not objects, for values from a document or a caller."""


def _reader(name: str) -> Callable[[Any], Any]:
    read: Callable[[Any], Any] = _READERS.get(name, mapping)
    return read
