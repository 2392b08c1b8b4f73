"""`load`, `save`, `convert` and `digest`: the one door between files and `FreDData`."""

from __future__ import annotations

import os
from pathlib import Path

from fredfmt.errors import ArgumentError, located
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData, expect_data
from fredfmt.model.digest import check_spelling, digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.model.metadata import Metadata
from fredfmt.model.selection import Classes, of_classes
from fredfmt.storage.addresses import Address, is_address, shown
from fredfmt.storage.containers import archive, hierarchy
from fredfmt.storage.containers.encoding import Profile, as_archive, as_folder, as_hdf5, check_profile
from fredfmt.storage.containers.package import check_declared, unpack
from fredfmt.storage.fetching import check_expected, fetch_classes, fetch_verified
from fredfmt.storage.reading import SUFFIXES, File, decode, read_package
from fredfmt.storage.writing import check_target, replace_directory, replacing

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
        ``hf://datasets/owner/name@revision/x.fred`` or another that fsspec knows. The content decides which
        container it is, not the name. A file from an address is kept in a cache (`fredfmt.storage.cache`) once it is
        verified, and taken from there while the server says that it is the same.
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
            part = fetch_classes(file, classes, limits) if classes is not None and expected_digest is None else None
            if part is not None:
                return part
            data = fetch_verified(file, verify=verify, expected_digest=expected_digest, limits=limits)[1]
        else:
            data = unpack(read_package(file, limits=limits), verify=verify, limits=limits)
            check_expected(data, expected_digest)
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
    check_expected(file, expected_digest)
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
    reader gets the old or the new one. A symbolic link is kept and still leads to the data.

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
            check_declared(decode(content, limits), limits=limits)
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


def _encode(data: FreDData, container: str, codec: Profile | None) -> bytes:
    return (as_hdf5 if container == ".fred.h5" else as_archive)(data, codec)


def container_of(path: Path) -> str:
    """The container that a file name asks for, by its suffix. Raises `ArgumentError` for any other suffix."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise ArgumentError("the file name does not say which container", where=str(path), expected=" or ".join(SUFFIXES))


def _name(file: File) -> str:
    if isinstance(file, str | os.PathLike):
        return shown(os.fspath(file))
    return str(getattr(file, "name", "file object"))
