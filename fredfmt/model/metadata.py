"""The metadata of a data set: a typed `Metadata` in the program, one JSON document in the file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast, get_args

from fredfmt.errors import FormatError, VersionError, check, located, together

FORMAT = "fred"
VERSION = "1.0"
_VERSION = re.compile(r"1\.(0|[1-9][0-9]*)")
_DIGEST = re.compile("sha256:[0-9a-f]{64}")

Json: TypeAlias = Mapping[str, Any]
Mode = Literal["uniform", "float16", "float32"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True)
class Quantization:
    """How coefficients are stored, and the error that made."""

    mode: Mode
    step: float | None = None
    """For ``uniform``: the value of a coefficient is its integer times ``step``, in orthonormal units."""
    error_max: float | None = None
    """Largest absolute error of a kept coefficient."""
    error_rms: float | None = None
    """Root mean square error of the kept coefficients."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise FormatError(
                "unknown quantization mode",
                where="quantization.mode",
                expected=" or ".join(MODES),
                found=self.mode,
                rule="FRED-119",
            )
        if (self.mode == "uniform") != (self.step is not None):
            raise FormatError(
                "a step belongs to uniform quantization and to nothing else",
                where="quantization",
                found=f"mode {self.mode}, step {self.step}",
                rule="FRED-119",
            )
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise FormatError(
                "the step is unusable", where="quantization.step", expected="> 0", found=self.step, rule="FRED-119"
            )


@dataclass(frozen=True)
class Normalization:
    """How the space of the images came from 0..1: ``(x - mean) / std``, a value a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise FormatError(
                "mean and std must have one value a channel", where="normalization", found=self, rule="FRED-120"
            )
        if not all(map(math.isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise FormatError(
                "mean must be finite and std positive", where="normalization", found=self, rule="FRED-120"
            )


@dataclass(frozen=True)
class Whitening:
    """How the images were whitened: ``W (y - m)`` of images y in the space of the normalisation, each as one vector,
    with ``W = (S + epsilon I) ** -1/2`` of the mean m and covariance S of a set of images."""

    method: str
    """``zca``."""
    epsilon: float
    images: str | None = None
    """Digest of the images that m and S are of; None: not known."""
    source: Json = field(default_factory=dict)
    """Which images these are: name, split, number, selection."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", _frozen(self.source))
        if self.method != "zca":
            raise FormatError("unknown", where="whitening.method", expected="zca", found=self.method, rule="FRED-121")
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise FormatError(
                "unusable", where="whitening.epsilon", expected="above 0", found=self.epsilon, rule="FRED-121"
            )
        if self.images is not None and not _DIGEST.fullmatch(self.images):
            raise FormatError(
                "not a digest",
                where="whitening.images",
                expected="sha256: and 64 lower-case hexadecimal digits",
                found=self.images,
                rule="FRED-121",
            )


@dataclass(frozen=True)
class Metadata:
    """What a file says about its data. The names are those of the JSON document.

    The first five fields, the normalisation and the whitening decide what the data *are* and enter the content digest;
    the others tell where the data came from and what they are good for.
    """

    spatial_shape: tuple[int, ...]
    """Lengths of the 1, 2 or 3 spatial axes, for images (height, width)."""
    channels: int
    classes: tuple[str, ...]
    """Class names; their order is the meaning of the labels."""
    transform: str
    """Name in `fredfmt.transforms`."""
    quantization: Quantization
    normalization: Normalization | None = None
    """None: the space of the images is 0..1 itself."""
    whitening: Whitening | None = None
    """How they were whitened after that; None: they were not."""
    mask: Json = field(default_factory=dict)
    """How frequencies were chosen: strategy, scope, share of the variance kept."""
    reconstruction: Json = field(default_factory=dict)
    """Error of the stored images against the images they were encoded from, in the space of the images."""
    source: Json = field(default_factory=dict)
    """The real data set: name, split, number of images, licence, address."""
    distillation: Json = field(default_factory=dict)
    """Objective, all its settings and the seed; empty where real images were encoded."""
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
    """Anything else, under names of your own."""
    extensions: Json = field(default_factory=dict)
    """Fields of later versions that a reader may do without (``must_understand`` is false); kept as they are."""

    def __post_init__(self) -> None:
        for name in _JSON_FIELDS:
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "spatial_shape", tuple(self.spatial_shape))
        object.__setattr__(self, "classes", tuple(self.classes))
        with together():
            with check():
                if not 1 <= len(self.spatial_shape) <= 3 or min(self.spatial_shape) < 1:
                    raise FormatError(
                        "unusable",
                        where="spatial_shape",
                        expected="1, 2 or 3 axes, lengths of at least 1",
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
                        "class names must be there, not be empty and differ",
                        where="classes",
                        found=list(self.classes),
                        rule="FRED-117",
                    )
            with check():
                if self.normalization is not None and len(self.normalization.mean) != self.channels:
                    raise FormatError(
                        "not one value a channel",
                        where="normalization",
                        expected=f"{self.channels} values",
                        found=len(self.normalization.mean),
                        rule="FRED-120",
                    )

    def __reduce__(self) -> tuple[Any, ...]:
        return Metadata.from_json, (self.to_json(),)

    def to_json(self) -> dict[str, Any]:
        """The JSON document, without the integrity part that a container adds."""
        document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Quantization | Normalization | Whitening):
                value = {key.name: getattr(value, key.name) for key in fields(value)}
                value = {key: part for key, part in value.items() if part is not None and part != {}}
            if value or entry.name in _REQUIRED:
                document[entry.name] = thawed(value)
        return {**document.pop("extensions", {}), **document}

    @classmethod
    def from_json(cls, document: Any) -> Metadata:
        """Read a JSON document. Raises `FormatError`, or `VersionError` for a version this reader does not know."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise FormatError(
                "not a fred document", where="format", expected=f"an object with format {FORMAT}", rule="FRED-110"
            )
        version = document.get("version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise VersionError(
                "a version this reader does not know",
                where="version",
                expected="1.0, or another 1.x",
                found=version,
                hint="A newer fredfmt may read it",
                rule="FRED-111",
            )
        known = {entry.name for entry in fields(cls)} - {"extensions"}
        read: dict[str, Any] = {"extensions": {}}
        with together():
            with check():
                if missing := sorted(_REQUIRED - set(document)):
                    raise FormatError("fields are missing", expected=", ".join(missing), rule="FRED-112")
            for name in sorted(set(document) - {"format", "version", "integrity"}):
                with check(), located(name):
                    if name in known:
                        read[name] = _READERS.get(name, _object)(document[name])
                    else:
                        read["extensions"][name] = _extension(document[name], version)
        with together():
            return cls(**read)


_REQUIRED = frozenset({"spatial_shape", "channels", "classes", "transform", "quantization"})
_JSON_FIELDS = ("mask", "reconstruction", "source", "distillation", "recipe", "results", "writer", "ext", "extensions")


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(part) for key, part in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_frozen(part) for part in value)
    return value


def thawed(value: Any) -> Any:
    """Plain dicts and lists from the frozen ones of a `Metadata`."""
    if isinstance(value, Mapping):
        return {key: thawed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [thawed(part) for part in value]
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError("not an object", found=type(value).__name__, rule="FRED-113")
    return value


def _extension(value: Any, version: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("must_understand") is not False:
        raise VersionError(
            "an unknown field",
            expected="a name of the specification, or an object with must_understand false",
            found=f"a document of version {version}",
            hint="Notes of your own belong into ext; a newer fredfmt may know the field",
            rule="FRED-114",
        )
    return value


def _read_objects(value: Any) -> tuple[Json, ...]:
    if not isinstance(value, list):
        raise FormatError("not a list", found=type(value).__name__, rule="FRED-113")
    return tuple(_object(part) for part in value)


def _read_string(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError("not a string", found=type(value).__name__, rule="FRED-113")
    return value


def _read_strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FormatError("not a list", found=type(value).__name__, rule="FRED-113")
    return tuple(map(_read_string, value))


def _read_integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormatError("not a whole number", found=value, rule="FRED-113")
    return value


def _read_integers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise FormatError("not a list", found=type(value).__name__, rule="FRED-113")
    return tuple(map(_read_integer, value))


def _read_number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FormatError("not a number", found=value, rule="FRED-113")
    return float(value)


def _read_numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise FormatError("not a list", found=type(value).__name__, rule="FRED-113")
    return tuple(map(_read_number, value))


def _fields(value: Any, known: set[str], required: set[str]) -> dict[str, Any]:
    values = _object(value)
    if set(values) - known or required - set(values):
        raise FormatError(
            "fields are missing or unknown", expected=sorted(required | known), found=sorted(values), rule="FRED-113"
        )
    return values


def _read_quantization(value: Any) -> Quantization:
    values = _fields(value, {entry.name for entry in fields(Quantization)}, {"mode"})
    mode = cast(Mode, _read_string(values["mode"]))
    return Quantization(mode, **{key: _read_number(part) for key, part in values.items() if key != "mode"})


def _read_normalization(value: Any) -> Normalization:
    values = _fields(value, {"mean", "std"}, {"mean", "std"})
    return Normalization(_read_numbers(values["mean"]), _read_numbers(values["std"]))


def _read_whitening(value: Any) -> Whitening:
    values = _fields(value, {entry.name for entry in fields(Whitening)}, {"method", "epsilon"})
    readers: dict[str, Any] = {"epsilon": _read_number, "source": _object}
    return Whitening(**{key: readers.get(key, _read_string)(part) for key, part in values.items()})


_READERS: Mapping[str, Any] = {
    "spatial_shape": _read_integers,
    "channels": _read_integer,
    "classes": _read_strings,
    "transform": _read_string,
    "quantization": _read_quantization,
    "normalization": _read_normalization,
    "whitening": _read_whitening,
    "results": _read_objects,
    "license": _read_string,
    "citation": _read_string,
}
