"""`load`, `save`, `convert` and `digest`: the one door between files and `FreDData`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, TypeAlias

from fredfmt.errors import ArgumentError, FormatError, FredFileNotFoundError, IntegrityError, SourceError, located
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData, expect_data
from fredfmt.model.digest import check_spelling, digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.model.metadata import Metadata
from fredfmt.model.selection import Classes, of_classes
from fredfmt.storage import cache
from fredfmt.storage.addresses import Address, NoPiecesError, Pieces, is_address, shown, unchanged
from fredfmt.storage.containers import archive, directory, hdf5, hierarchy
from fredfmt.storage.containers.package import Package, pack, unpack, unpack_classes
from fredfmt.storage.writing import replace_directory, replacing

File: TypeAlias = str | os.PathLike[str] | IO[bytes]

SUFFIXES = (".fred", ".fred.zarr", ".fred.h5")

_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_LARGE = 1 << 20
"""Bytes of the smallest file that is worth more requests than one."""
_FIRST = 64 << 10
"""Bytes asked for first where the metadata alone are wanted; most fit several times."""


def load(
    file: File,
    *,
    classes: Classes | None = None,
    verify: bool = True,
    expected_digest: str | None = None,
    limits: Limits = limits_.DEFAULT,
) -> FreDData:
    """Read a data set.

    Parameters
    ----------
    file
        A path, a file object open for reading bytes, or an address: ``https://``, ``s3://``,
        ``hf://datasets/owner/name@revision/x.fred`` or another that fsspec knows. The container is told by its content,
        not by its name. What an address gave is kept in a cache (`fredfmt.storage.cache`) once it is verified, and
        taken from there while the server says that it is the same.
    classes
        Names or numbers of classes, of which alone the instances are returned; labels keep their numbers. Of a large
        ``.fred`` at an address only the chunks that hold them are fetched, if no ``expected_digest`` is given: their
        checksums are verified, but the content digest is of the whole.
    verify
        Whether to compute the content digest and compare it. Chunk checksums are verified in any case.
    expected_digest
        The content digest that the data must have, as `fredfmt.digest` gives it. An address whose file is in the
        cache and has it is not asked again.
    limits
        What the file may ask for; see `Limits`.

    Raises
    ------
    FormatError, LimitError, IntegrityError, VersionError
        With the file and the element. Nothing is returned for a file that is damaged in any place, or is not the
        expected one.
    FredFileNotFoundError
        If there is no such file.
    SourceError
        If an address cannot be read; nothing of it is kept.
    ArgumentError
        For classes that are not there.
    """
    check_spelling(expected_digest)
    with located(_name(file)):
        if isinstance(file, str) and is_address(file):
            part = _fetch_classes(file, classes, limits) if classes is not None and expected_digest is None else None
            if part is not None:
                return part
            data = fetch_verified(file, verify=verify, expected_digest=expected_digest, limits=limits)[1]
        else:
            data = unpack(read_package(file, limits=limits), verify=verify, limits=limits)
            _check_expected(data, expected_digest)
        return data if classes is None else of_classes(data, classes)


def loaded(
    file: File | FreDData,
    *,
    classes: Classes | None = None,
    verify: bool = True,
    expected_digest: str | None = None,
    limits: Limits = limits_.DEFAULT,
) -> FreDData:
    """`load`, or the data themselves, compared with the expected digest all the same."""
    if not isinstance(file, FreDData):
        return load(file, classes=classes, verify=verify, expected_digest=expected_digest, limits=limits)
    check_spelling(expected_digest)
    _check_expected(file, expected_digest)
    return file if classes is None else of_classes(file, classes)


def load_metadata(file: File, *, limits: Limits = limits_.DEFAULT) -> Metadata:
    """The metadata of a data set, verified by their own digest; the data are not looked at where that saves anything.

    Of a ``.fred`` at an address only the first 64 kB are asked for, as the metadata lie in front.
    """
    if isinstance(file, str) and is_address(file):
        with located(_name(file)):
            address = Address(file)
            root = archive.first(address.begin(_FIRST), limits=limits)
            if isinstance(root, int):
                root = archive.first(address.begin(root), limits=limits)
            if isinstance(root, memoryview):
                return hierarchy.metadata(root, limits=limits)
    return load(file, limits=limits).metadata


def save(data: FreDData, path: str | os.PathLike[str]) -> None:
    """Write a data set to ``path``, in the container that the suffix names: ``.fred``, ``.fred.zarr`` or ``.fred.h5``.

    The same data always give the same bytes. The file appears whole or not at all: it is written beside its place,
    synced and renamed; a file that was there before is replaced.
    """
    expect_data(data)
    path = Path(path)
    container = container_of(path)
    with located(path):
        if container == ".fred.zarr":
            replace_directory(path, hierarchy.encode(pack(data)))
        else:
            with replacing(path) as target:
                target.write(_encode(data, container))


def convert(source: File, path: str | os.PathLike[str], *, limits: Limits = limits_.DEFAULT) -> None:
    """Copy a data set into another container; nothing is lost and the content digest stays the same."""
    save(load(source, limits=limits), path)


def digest(file: File | FreDData) -> str:
    """The content digest of a data set or of a file, ``"sha256:"`` and 64 hexadecimal digits.

    A file is read and verified. Two data sets have the same digest when they decode to the same images and labels from
    the same numbers: coefficients, frequencies, labels, masks, base, shape, transform, quantisation, normalisation,
    whitening and class names. Provenance, results and other notes do not enter it.
    """
    return digest_of_data(file if isinstance(file, FreDData) else load(file))


def packed_size(data: FreDData, container: str = ".fred") -> int:
    """Bytes of the file that `save` would write, without writing it."""
    if container == ".fred.zarr":
        return sum(map(len, hierarchy.encode(pack(data)).values()))
    return len(_encode(data, container))


def read_package(file: File, *, limits: Limits = limits_.DEFAULT) -> Package:
    """What a container declares, nothing decoded yet."""
    if isinstance(file, str) and is_address(file):
        content = Address(file).fetch(limits)
    elif isinstance(file, str | os.PathLike):
        path = Path(file)
        if path.is_dir():
            entries, size = directory.read(path, limits=limits)
            return hierarchy.decode(entries, size, limits=limits)
        if not path.exists():
            raise FredFileNotFoundError("no such file", hint="Check the path")
        with open(path, "rb") as stream:
            content = _read(stream, limits)
    else:
        content = _read(file, limits)
    return _decode(content, limits)


def fetch_verified(
    address: str, *, verify: bool = True, expected_digest: str | None = None, limits: Limits = limits_.DEFAULT
) -> tuple[bytes, FreDData]:
    """The file at an address and its data: from the cache if that is surely the same, else fetched, and then kept."""
    kept = cache.recall(address)
    if kept is not None and kept.digest == expected_digest and (content := cache.read(kept)) is not None:
        data = unpack(_decode(content, limits), verify=verify, limits=limits)
        _check_expected(data, expected_digest)
        return content, data
    there = Address(address)
    mark = there.mark()
    known = cache.read(kept) if kept is not None and unchanged(mark, kept.mark) else None
    content = there.fetch(limits) if known is None else known
    data = unpack(_decode(content, limits), verify=verify, limits=limits)
    _check_expected(data, expected_digest)
    if known is None and verify:
        same = there.mark() == mark  # if it was replaced meanwhile, nobody knows which of the two was fetched
        cache.keep(address, content, digest_of_data(data), mark if same else {})
    return content, data


def _fetch_classes(address: str, classes: Classes, limits: Limits) -> FreDData | None:
    """The instances of some classes from the chunks that hold them; None where the whole file is as quick to have."""
    kept, there = cache.recall(address), Address(address)
    mark = there.mark()
    size = mark.get("size", "")
    if (kept is not None and unchanged(mark, kept.mark)) or (size.isdecimal() and int(size) < _LARGE):
        return None
    try:
        with there.pieces() as pieces:
            data = _read_classes(pieces, classes, limits)
    except NoPiecesError:
        return None
    if there.mark() != mark:
        raise SourceError("the file was replaced while it was read", hint="Try again")
    return data


def _read_classes(pieces: Pieces, classes: Classes, limits: Limits) -> FreDData | None:
    if pieces.size < _LARGE or pieces.read(0, len(archive.MAGIC)) != archive.MAGIC:
        return None
    limits_.check(pieces.size, limits.file_bytes, "the size of the file", name="file_bytes")
    entries = archive.Parts(pieces.read, pieces.size, limits=limits)
    return unpack_classes(hierarchy.decode(entries, pieces.size, limits=limits), classes, limits=limits)


def _check_expected(data: FreDData, expected: str | None) -> None:
    if expected is not None and (found := digest_of_data(data)) != expected:
        raise IntegrityError(
            "sound, but not the data set that was asked for",
            where="expected_digest",
            expected=expected,
            found=found,
            hint="It was replaced, or the digest is of another file: ask who published it",
        )


def _decode(content: bytes, limits: Limits) -> Package:
    """The package in the bytes of a file."""
    if content[:4] == archive.MAGIC:
        return hierarchy.decode(archive.unpack(content, limits=limits), len(content), limits=limits)
    if content[: len(hdf5.MAGIC)] == hdf5.MAGIC:
        return hdf5.decode(content, limits=limits)
    raise FormatError(
        "not a fredfmt file",
        expected=" or ".join(SUFFIXES),
        found=f"{len(content)} bytes beginning {content[:8]!r}",
        hint="This is a web page: take the address of the file itself" if _PAGE.match(content) else "",
        rule="FRED-400",
    )


def _encode(data: FreDData, container: str) -> bytes:
    package = pack(data)
    return hdf5.encode(package) if container == ".fred.h5" else archive.pack(hierarchy.encode(package))


def container_of(path: Path) -> str:
    """The container that a file name asks for, by its suffix. Raises `ArgumentError` for any other suffix."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise ArgumentError("the file name does not say which container", where=str(path), expected=" or ".join(SUFFIXES))


def _read(stream: IO[bytes], limits: Limits) -> bytes:
    content = stream.read(limits.file_bytes + 1)
    limits_.check(len(content), limits.file_bytes, "the size of the file", name="file_bytes")
    return content


def _name(file: File) -> str:
    if isinstance(file, str | os.PathLike):
        return shown(os.fspath(file))
    return str(getattr(file, "name", "file object"))
