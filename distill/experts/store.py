"""Stores expert trajectories in a folder, and reads the verified parameters of any expert after any epoch.

``experts.json`` describes the real images and the settings of all experts in the folder. Each expert is one HDF5 file
with two datasets: ``parameters``, (epoch, parameter) float32, whose first row has the parameters before training; and
``sha256``, the checksum of each row. There are no pickles, files are written atomically, and single rows can be read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fredfmt.data.sources import Source
from fredfmt.distill.experts.settings import ExpertConfig
from fredfmt.errors import ArgumentError, FormatError, FredError, FredFileNotFoundError, IntegrityError, located
from fredfmt.model.documents import canonical, parse
from fredfmt.model.parts import Normalization
from fredfmt.storage.containers.hdf5_file import new_file
from fredfmt.storage.writing import replacing

_DOCUMENT, _FORMAT = "experts.json", "fredfmt experts 1"
_NAME = re.compile(r"expert-(\d{4,})\.h5")
_HASH = 32
_TRAIN = "Train some: fredfmt experts SOURCE FOLDER"


@dataclass(frozen=True)
class ExpertSettings:
    """The common settings of the experts in a folder."""

    config: ExpertConfig
    source: Mapping[str, Any]
    """Name, split and number of the real images."""
    classes: tuple[str, ...]
    channels: int
    spatial_shape: tuple[int, ...]
    normalization: Normalization
    parameters: tuple[tuple[str, tuple[int, ...]], ...]
    """Name and shape of each parameter, in the order of a row."""

    @property
    def size(self) -> int:
        """The number of parameters in a row."""
        return sum(int(np.prod(shape)) for _, shape in self.parameters)

    @cached_property
    def digest(self) -> str:
        """A checksum of the settings."""
        return hashlib.sha256(canonical(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {
            "format": _FORMAT,
            "config": self.config.to_json(),
            "source": dict(self.source),
            "classes": list(self.classes),
            "channels": self.channels,
            "spatial_shape": list(self.spatial_shape),
            "mean": list(self.normalization.mean),
            "std": list(self.normalization.std),
            "parameters": [[name, list(shape)] for name, shape in self.parameters],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a document of `to_json`."""
        return cls(
            ExpertConfig.from_json(document["config"]),
            dict(document["source"]),
            tuple(map(str, document["classes"])),
            int(document["channels"]),
            tuple(map(int, document["spatial_shape"])),
            Normalization(tuple(map(float, document["mean"])), tuple(map(float, document["std"]))),
            tuple((str(name), tuple(map(int, shape))) for name, shape in document["parameters"]),
        )

    def check_source(self, source: Source) -> None:
        """Raise `ArgumentError` if the experts were not trained on the images of ``source``, as networks see them."""
        for name in ("classes", "channels", "spatial_shape", "normalization"):
            mine, theirs = getattr(source, name), getattr(self, name)
            if mine != theirs:
                raise ArgumentError(
                    f"the experts were trained on images with different {name.replace('_', ' ')}",
                    expected=mine,
                    found=theirs,
                    hint="Train others on this source (fredfmt experts)",
                )


class Experts:
    """The finished experts in a folder. Parameters are read when they are accessed.

    Raises `FredFileNotFoundError` if there are none, and `FormatError` for files that are not experts.

    >>> from fredfmt import open_source
    >>> from fredfmt.distill import train_experts
    >>> source = open_source("digits", classes=["3", "5"]).sample(8)
    >>> made = train_experts(source, "experts", ExpertConfig(epochs=1, network={"width": 2}), count=2)
    >>> experts = Experts("experts")
    >>> experts.numbers, experts.digest == made.digest, experts.parameters(1, 0).dtype
    ((0, 1), True, dtype('float32'))
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        with located(folder):
            self.settings = _settings(self.folder)
            self._checksums = {number: self._rows(number) for number in finished(self.folder)}
            if not self._checksums:
                raise FredFileNotFoundError("no finished expert", hint=_TRAIN)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the experts, in order."""
        return tuple(self._checksums)

    @cached_property
    def digest(self) -> str:
        """``sha256:...`` of the settings and of the checksums of all parameters of all experts."""
        rows = {str(number): checksums.tobytes().hex() for number, checksums in self._checksums.items()}
        content = canonical({"settings": self.settings.digest, "experts": rows})
        return "sha256:" + hashlib.sha256(content).hexdigest()

    def parameters(self, number: int, epoch: int) -> NDArray[np.float32]:
        """(parameter,) all parameters of an expert after ``epoch`` epochs; only these are read.

        Raises `ArgumentError` for an expert or epoch that does not exist, and `FormatError` or `IntegrityError` for a
        damaged file.
        """
        epochs = self.settings.config.epochs
        if number not in self._checksums or not 0 <= epoch <= epochs:
            raise ArgumentError(
                "no such parameters",
                where=str(self.folder),
                expected=f"one of the experts {', '.join(map(str, self.numbers))} after 0 to {epochs} epochs",
                found=f"expert {number} after {epoch}",
            )
        path = self.folder / _name(number)
        with located(path), _opened(path) as file:
            row: NDArray[np.float32] = _dataset(file, "parameters", "<f4", (epochs + 1, self.settings.size))[epoch]
            if _checksum(row) != self._checksums[number][epoch].tobytes():
                raise IntegrityError(
                    f"the parameters after epoch {epoch} do not match their checksum: the file is damaged",
                    hint="Delete it and run fredfmt experts again to train this expert again",
                )
        return row

    def _rows(self, number: int) -> NDArray[np.uint8]:
        """(epoch, byte) checksums."""
        with located(_name(number)), _opened(self.folder / _name(number)) as file:
            found = {name: file.attrs.get(name) for name in ("format", "number", "settings")}
            for name, expected in _attributes(self.settings, number).items():
                if found[name] != expected:
                    raise FormatError(
                        f"not an expert of this folder: its {name} differs",
                        expected=expected,
                        found=found[name],
                        hint="Delete the file, or move it back to its folder",
                    )
            made: NDArray[np.uint8] = _dataset(file, "sha256", "|u1", (self.settings.config.epochs + 1, _HASH))[:]
        return made


def begin(folder: Path, settings: ExpertSettings) -> None:
    """Create a folder for experts, or check that the finished experts in it have these ``settings``."""
    folder.mkdir(parents=True, exist_ok=True)
    if not finished(folder):
        with replacing(folder / _DOCUMENT) as stream:
            stream.write(canonical(settings.to_json()))
    with located(folder):
        there, wanted = _flat(_settings(folder).to_json()), _flat(settings.to_json())
        if differing := sorted(name for name in there | wanted if there.get(name) != wanted.get(name)):
            name = differing[0]
            raise ArgumentError(
                f"the folder contains experts with other settings: their {name} differs",
                expected=wanted.get(name),
                found=there.get(name),
                hint="Use the same settings, or another folder",
            )


def finished(folder: Path) -> list[int]:
    """The numbers of the finished experts, in order."""
    return sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))


def write_expert(folder: Path, settings: ExpertSettings, number: int, rows: Iterable[NDArray[np.float32]]) -> None:
    """Store an expert row by row; it appears in the folder when all rows are written."""
    count = settings.config.epochs + 1
    checksums = np.zeros((count, _HASH), np.uint8)
    with replacing(folder / _name(number)) as stream, new_file(stream.name) as file:
        file.attrs.update(_attributes(settings, number))
        parameters = file.create_dataset("parameters", (count, settings.size), "<f4", track_times=False)
        for place, row in enumerate(rows):
            parameters[place] = row
            checksums[place] = np.frombuffer(_checksum(row), np.uint8)
        file.create_dataset("sha256", data=checksums, track_times=False)


def _settings(folder: Path) -> ExpertSettings:
    path = folder / _DOCUMENT
    if not path.exists():
        raise FredFileNotFoundError(f"no experts, because there is no {_DOCUMENT}", hint=_TRAIN)
    with located(_DOCUMENT), _translated():
        document = parse(path.read_bytes())
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise FormatError("not experts of this version", expected=f"format {_FORMAT!r}")
        return ExpertSettings.from_json(document)


def _attributes(settings: ExpertSettings, number: int) -> dict[str, Any]:
    return {"format": _FORMAT, "number": number, "settings": settings.digest}


def _dataset(file: Any, name: str, dtype: str, shape: tuple[int, ...]) -> Any:
    """A dataset of that type and shape, stored in the file without filters."""
    import h5py

    found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or (found.dtype, found.shape) != (np.dtype(dtype), shape):
        raise FormatError(f"no usable {name}", expected=f"{shape} {dtype}", found=found)
    if found.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS or found.external:
        raise FormatError(f"wrong storage of {name}", expected="contiguous, in the file itself")
    return found


def _name(number: int) -> str:
    return f"expert-{number:04}.h5"


def _checksum(row: NDArray[np.float32]) -> bytes:
    return hashlib.sha256(row.astype("<f4", copy=False).tobytes()).digest()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    with _translated(), h5py.File(path, "r") as file:
        yield file


@contextmanager
def _translated() -> Iterator[None]:
    """Turn any error about the content of a file into a `FormatError`."""
    try:
        yield
    except FredError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise FormatError(
            "cannot be read: it is damaged, or not an expert",
            found=f"{type(error).__name__}: {error}",
            hint="Delete it and run fredfmt experts again",
        ) from None


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as a single one with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
