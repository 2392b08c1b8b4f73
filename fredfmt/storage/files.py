"""`load`, `save`, `convert` and `digest`: the one door between files and `FreDData`."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import IO, TypeAlias

from fredfmt.errors import ArgumentError, FormatError, IntegrityError, SourceError, access_explained, located
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData, expect_data
from fredfmt.model.digest import check_spelling, digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.model.metadata import Metadata
from fredfmt.model.selection import Classes, of_classes
from fredfmt.storage import cache
from fredfmt.storage.addresses import Address, NoPiecesError, Pieces, is_address, shown, unchanged
from fredfmt.storage.containers import archive, directory, hdf5, hierarchy
from fredfmt.storage.containers.encoding import Profile, as_archive, as_folder, as_hdf5, check_profile
from fredfmt.storage.containers.package import Package, check_declared, unpack, unpack_classes
from fredfmt.storage.partials import status_of
from fredfmt.storage.writing import check_target, replace_directory, replacing

File: TypeAlias = str | os.PathLike[str] | IO[bytes]

SUFFIXES = (".fred", ".fred.zarr", ".fred.h5")

_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_LARGE = 1 << 20
"""Bytes of the smallest file that is worth more requests than one."""
_PIECE = 1 << 20
"""Bytes that are read at once from what does not say how much there is."""
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

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20, classes=["cat", "dog"]), "pets.fred")
    >>> fredfmt.load("pets.fred")
    FreDData: 4 instances of 3x8x12, 2 classes, k=20 dct, step 0.5
      coefficients 4x3x20          int16
      frequencies  2x20            uint16
      labels       4               uint8
      mask_of      4               uint8
    >>> fredfmt.load("pets.fred", classes=["dog"]).labels
    array([1, 1], dtype=uint8)
    """
    check_spelling(expected_digest)
    if not isinstance(file, str | os.PathLike) and not hasattr(file, "read"):
        raise ArgumentError(
            "not a file", expected="a path, an address, or a file open for reading bytes", found=type(file).__name__
        )
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


def save(
    data: FreDData,
    path: str | os.PathLike[str],
    *,
    codec: Profile | None = None,
    limits: Limits = limits_.DEFAULT,
) -> None:
    """Write a data set to ``path``, in the container that the suffix names: ``.fred``, ``.fred.zarr`` or ``.fred.h5``.

    ``codec`` is ``"compact"`` for the fewest bytes or ``"core"`` for a file that any Zarr reader opens. By default
    ``.fred`` is compact, but for arrays of over a million values, which Blosc decodes much faster and hardly larger;
    ``.fred.zarr`` is core; ``.fred.h5`` has no choice.

    The same data always give the same bytes. The file appears whole or not at all: it is written beside its place,
    synced and renamed. A data set that was there before is replaced, keeps its mode, and may be read meanwhile: every
    reader gets the old or the new one. A symbolic link stays and goes on to lead to the data.

    Raises
    ------
    LimitError
        For what `load` would refuse under the same ``limits``, with the same error, before anything is written.
    ArgumentError
        For a name without one of the suffixes, or if something else is in the way, such as a folder that is not a
        data set.
    AccessError
        For what the operating system refuses: no room, no permission, too long a name. Nothing was changed.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> data = fredfmt.encode(images, [0, 0, 1, 1], k=20)
    >>> fredfmt.save(data, "pets.fred")
    >>> fredfmt.load("pets.fred") == data
    True
    """
    expect_data(data)
    check_profile(codec)
    path = Path(path)
    container = container_of(path)
    check_target(path, data_set=container == ".fred.zarr")
    if container == ".fred.zarr":
        with located(path):
            entries = as_folder(data, codec)
            size = sum(map(len, entries.values()))
            limits_.check(size, limits.file_bytes, "the size of the file", name="file_bytes")
            check_declared(hierarchy.decode(entries, size, limits=limits), limits=limits)
        replace_directory(path, entries)
    else:
        with located(path):
            content = _encode(data, container, codec)
            check_declared(_decode(content, limits), limits=limits)
        with replacing(path) as target:
            target.write(content)


def convert(
    source: File,
    path: str | os.PathLike[str],
    *,
    codec: Profile | None = None,
    limits: Limits = limits_.DEFAULT,
) -> None:
    """Copy a data set into another container or profile; nothing is lost and the content digest stays the same.

    Raises what `load` and `save` raise.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20), "pets.fred")
    >>> fredfmt.convert("pets.fred", "pets.fred.zarr")
    >>> fredfmt.digest("pets.fred.zarr") == fredfmt.digest("pets.fred")
    True
    """
    save(load(source, limits=limits), path, codec=codec, limits=limits)


def digest(file: File | FreDData) -> str:
    """The content digest of a data set or of a file, ``"sha256:"`` and 64 hexadecimal digits.

    A file is read and verified. Two data sets have the same digest when they decode to the same images and labels from
    the same numbers: coefficients, frequencies, labels, masks, base, shape, transform, quantisation, normalisation,
    whitening and class names. Provenance, results and other notes do not enter it. Raises what `load` raises.

    >>> import numpy as np, fredfmt
    >>> images = np.arange(4 * 3 * 8 * 12, dtype=np.float32).reshape(4, 3, 8, 12) / 1152
    >>> free = fredfmt.encode(images, [0, 0, 1, 1], k=20, mask="low", license="CC0-1.0")
    >>> unknown = fredfmt.encode(images, [0, 0, 1, 1], k=20, mask="low")
    >>> fredfmt.digest(free) == fredfmt.digest(unknown), len(fredfmt.digest(free))
    (True, 71)
    """
    return digest_of_data(file if isinstance(file, FreDData) else load(file))


def packed_size(data: FreDData, container: str = ".fred", codec: Profile | None = None) -> int:
    """Bytes of the file that `save` would write, without writing it."""
    check_profile(codec)
    if container == ".fred.zarr":
        return sum(map(len, as_folder(data, codec).values()))
    return len(_encode(data, container, codec))


def read_package(file: File, *, limits: Limits = limits_.DEFAULT) -> Package:
    """What a container declares, nothing decoded yet."""
    if isinstance(file, str) and is_address(file):
        content = Address(file).fetch(limits)
    elif isinstance(file, str | os.PathLike):
        path = Path(file)
        with access_explained("cannot be read"):
            if stat.S_ISDIR(status_of(path).st_mode):
                entries, size = directory.read(path, limits=limits)
                return hierarchy.decode(entries, size, limits=limits)
            content = _read_file(path, limits)
    else:
        content = read_pieces(file, limits)
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
    limits_.check(len(content), limits.file_bytes, "the size of the file", name="file_bytes")
    _check_beginning(content, len(content))
    if content[: len(archive.MAGIC)] == archive.MAGIC:
        return hierarchy.decode(archive.unpack(content, limits=limits), len(content), limits=limits)
    return hdf5.decode(content, limits=limits)


def _check_beginning(content: bytes, size: int) -> None:
    """Raise `FormatError` if a file of ``size`` bytes that begins so is no container."""
    if not content.startswith((archive.MAGIC, hdf5.MAGIC)):
        raise FormatError(
            "not a fredfmt file",
            expected=" or ".join(SUFFIXES),
            found=f"{size} bytes beginning {content[:8]!r}",
            hint="This is a web page: take the address of the file itself" if _PAGE.match(content) else "",
            rule="FRED-400",
        )


def _encode(data: FreDData, container: str, codec: Profile | None) -> bytes:
    return (as_hdf5 if container == ".fred.h5" else as_archive)(data, codec)


def container_of(path: Path) -> str:
    """The container that a file name asks for, by its suffix. Raises `ArgumentError` for any other suffix."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise ArgumentError("the file name does not say which container", where=str(path), expected=" or ".join(SUFFIXES))


def _read_file(path: Path, limits: Limits) -> bytes:
    """All of a regular file; of what is too large, or not a data set, no more than its beginning is read."""
    _expect_file(path.stat().st_mode)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        status = os.fstat(stream.fileno())
        _expect_file(status.st_mode)
        limits_.check(status.st_size, limits.file_bytes, "the size of the file", name="file_bytes")
        _check_beginning(stream.read(len(hdf5.MAGIC)), status.st_size)
        stream.seek(0)
        return stream.read(status.st_size)


def _expect_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise FormatError(
            "neither a file nor a folder but a pipe, a socket or a device",
            expected="a regular file, or the folder of a .fred.zarr",
            hint="Copy it into a file, or pass a file object",
            rule="FRED-400",
        )


def read_pieces(stream: IO[bytes], limits: Limits) -> bytes:
    """What is left of a file object, in pieces, as nobody knows how much that is."""
    pieces: list[bytes] = []
    size = 0
    while piece := stream.read(_PIECE):
        if not isinstance(piece, bytes):
            raise ArgumentError("not a file object of bytes", expected="open(path, 'rb')", found=type(piece).__name__)
        pieces.append(piece)
        size += len(piece)
        limits_.check(size, limits.file_bytes, "the size of the file", name="file_bytes")
    return b"".join(pieces)


def _name(file: File) -> str:
    if isinstance(file, str | os.PathLike):
        return shown(os.fspath(file))
    return str(getattr(file, "name", "file object"))
