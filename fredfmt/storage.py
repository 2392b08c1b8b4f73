"""`load`, `save` and `convert`: the one door between files and `FreDData`."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from fredfmt import limits as limits_
from fredfmt.containers import archive, directory, hdf5, hierarchy
from fredfmt.containers.package import Package, pack, unpack
from fredfmt.errors import ArgumentError, FormatError, FredFileNotFoundError, SourceError, located
from fredfmt.limits import Limits
from fredfmt.model import FreDData

File: TypeAlias = str | os.PathLike[str] | IO[bytes]

SUFFIXES = (".fred", ".fred.zarr", ".fred.h5")


def load(file: File, *, verify: bool = True, limits: Limits = limits_.DEFAULT) -> FreDData:
    """Read a data set.

    Parameters
    ----------
    file
        A path, a file object open for reading bytes, or an ``http(s)://`` or other URL that fsspec knows. The
        container is told by its content, not by its name.
    verify
        Whether to compute the content digest and compare it. Chunk checksums are verified in any case.
    limits
        What the file may ask for; see `Limits`.

    Raises
    ------
    FormatError, LimitError, IntegrityError, VersionError
        With the file and the element. Nothing is returned for a file that is damaged in any place.
    FredFileNotFoundError
        If there is no such file.
    """
    with located(_name(file)):
        return unpack(read_package(file, limits=limits), verify=verify, limits=limits)


def save(data: FreDData, path: str | os.PathLike[str]) -> None:
    """Write a data set to ``path``, in the container that the suffix names: ``.fred``, ``.fred.zarr`` or ``.fred.h5``.

    The same data always give the same bytes. The file appears whole or not at all: it is written beside its place,
    synced and renamed; a file that was there before is replaced.
    """
    path = Path(path)
    container = _container(path)
    with located(path):
        if container == ".fred.zarr":
            _replace_directory(path, hierarchy.encode(pack(data)))
        else:
            with replacing(path) as target:
                target.write(_encode(data, container))


def convert(source: File, path: str | os.PathLike[str], *, limits: Limits = limits_.DEFAULT) -> None:
    """Copy a data set into another container; nothing is lost and the content digest stays the same."""
    save(load(source, limits=limits), path)


def packed_size(data: FreDData, container: str = ".fred") -> int:
    """Bytes of the file that `save` would write, without writing it."""
    if container == ".fred.zarr":
        return sum(map(len, hierarchy.encode(pack(data)).values()))
    return len(_encode(data, container))


def read_package(file: File, *, limits: Limits = limits_.DEFAULT) -> Package:
    """What a container declares, nothing decoded yet."""
    if isinstance(file, str | os.PathLike) and "://" not in os.fspath(file):
        path = Path(file)
        if path.is_dir():
            entries, size = directory.read(path, limits=limits)
            return hierarchy.decode(entries, size, limits=limits)
        if not path.exists():
            raise FredFileNotFoundError("no such file", hint="Check the path")
        with open(path, "rb") as stream:
            content = _read(stream, limits)
    elif isinstance(file, str | os.PathLike):
        with _open_url(os.fspath(file)) as stream:
            content = _read(stream, limits)
    else:
        content = _read(file, limits)
    if content[:4] == archive.MAGIC:
        return hierarchy.decode(archive.unpack(content, limits=limits), len(content), limits=limits)
    if content[: len(hdf5.MAGIC)] == hdf5.MAGIC:
        return hdf5.decode(content, limits=limits)
    raise FormatError(
        "not a fredfmt file",
        expected=" or ".join(SUFFIXES),
        found=f"{len(content)} bytes beginning {content[:8]!r}",
        rule="FRED-400",
    )


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of ``path`` when the block ends well, and leaves no trace when not."""
    temporary = beside(path)
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _replace_directory(path: Path, entries: dict[str, bytes]) -> None:
    temporary = beside(path)
    try:
        directory.write(temporary / "new", entries)
        if path.exists() or path.is_symlink():
            os.replace(path, temporary / "old")
        os.replace(temporary / "new", path)
    finally:
        if not path.exists() and (temporary / "old").exists():
            os.replace(temporary / "old", path)
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(path.parent)


def _encode(data: FreDData, container: str) -> bytes:
    package = pack(data)
    return hdf5.encode(package) if container == ".fred.h5" else archive.pack(hierarchy.encode(package))


def _container(path: Path) -> str:
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise ArgumentError("the file name does not say which container", where=str(path), expected=" or ".join(SUFFIXES))


def beside(path: Path) -> Path:
    """A fresh hidden name in the folder of ``path``, to write to before renaming."""
    if not path.parent.is_dir():
        raise FredFileNotFoundError("no such folder", where=str(path.parent), hint="Make it first")
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")


def _read(stream: IO[bytes], limits: Limits) -> bytes:
    content = stream.read(limits.file_bytes + 1)
    limits_.check(len(content), limits.file_bytes, "the size of the file", name="file_bytes")
    return content


def _open_url(url: str) -> IO[bytes]:
    try:
        import fsspec
    except ImportError:
        raise SourceError("reading from a URL needs fsspec", hint="pip install 'fredfmt[remote]'") from None
    try:
        return io.BytesIO(fsspec.open(url, "rb").open().read())
    except (OSError, ValueError, ImportError) as error:
        raise SourceError("cannot be read", found=f"{type(error).__name__}: {error}") from None


def _name(file: File) -> str:
    if isinstance(file, str | os.PathLike):
        return os.fspath(file)
    return str(getattr(file, "name", "file object"))


def _sync(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
