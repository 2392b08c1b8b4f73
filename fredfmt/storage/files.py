"""`load`, `save`, `convert` and `digest`: the public functions between files and `FreDData`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from fredfmt.errors import ArgumentError, located, memory_explained
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData, expect_data
from fredfmt.model.digest import check_spelling, digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.model.metadata import Metadata
from fredfmt.model.selection import Classes, of_classes
from fredfmt.storage.addresses import Address, is_address, shown
from fredfmt.storage.containers import archive, hierarchy
from fredfmt.storage.containers.encoding import Profile, add_files, check_profile, write_archive, write_hdf5
from fredfmt.storage.containers.entries import IN_MEMORY, EntryStore
from fredfmt.storage.containers.package import check_declared, unpack
from fredfmt.storage.fetching import check_expected, fetch_classes, fetch_verified
from fredfmt.storage.reading import SUFFIXES, File, declared, read_package
from fredfmt.storage.writing import check_target, replace_directory, replacing

_FIRST = 64 << 10
"""Bytes of the first request for metadata; most metadata are several times smaller."""
_WRITE = {".fred": write_archive, ".fred.h5": write_hdf5}


def load(
    file: File,
    *,
    classes: Classes | None = None,
    verify: bool = True,
    expected_digest: str | None = None,
    limits: Limits = limits_.DEFAULT,
) -> FreDData:
    """Read a dataset.

    Parameters
    ----------
    file
        A path, a file object open for reading bytes, or an address: ``https://``, ``s3://``,
        ``hf://datasets/owner/name@revision/x.fred`` or another that fsspec knows. The content decides which container
        it is, not the name. A verified file from an address is kept in a cache (`fredfmt.storage.cache`) and read from
        there while the server says that it is unchanged.
    classes
        Names or numbers of the classes whose instances are returned (None: all). Labels keep their numbers. If
        ``expected_digest`` is None and the file is a large ``.fred`` at an address, only the chunks that hold these
        instances are fetched. Their checksums are verified; the content digest, which covers the whole file, is not.
    verify
        Whether to compute the content digest and compare it. Chunk checksums are always verified.
    expected_digest
        The content digest that the data must have, as `fredfmt.digest` gives it. If the cached file of an address has
        it, the server is not contacted.
    limits
        The largest sizes that are accepted; see `Limits`.

    Raises
    ------
    FormatError, LimitError, IntegrityError, VersionError
        For a file that is damaged, too large or not the expected one. The message names the file and the element.
    FredFileNotFoundError
        If there is no such file.
    FredMemoryError
        If there is not enough memory.
    SourceError
        If an address cannot be read.
    AccessError
        If the operating system refuses to read the file, or a file object raises an ``OSError``. Every other exception
        of a file object passes through unchanged, as it is the caller's own.
    ArgumentError
        For unknown classes, or an argument of an unusable type.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20, classes=["cat", "dog"]), "pets.fred")
    >>> fredfmt.load("pets.fred")
    FreDData: 4 instances of 3x8x12, 2 classes, k=20 dct, also along the channels, step 0.5
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
    if file == "":
        raise ArgumentError("an empty path", expected="a path or an address")
    if not isinstance(limits, Limits):
        raise ArgumentError("unusable limits", expected="fredfmt.Limits", found=type(limits).__name__)
    with located(_name(file)), memory_explained():
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
    """As `load`; data that are in memory already are compared with the expected digest and returned."""
    if not isinstance(file, FreDData):
        return load(file, classes=classes, verify=verify, expected_digest=expected_digest, limits=limits)
    check_spelling(expected_digest)
    check_expected(file, expected_digest)
    return file if classes is None else of_classes(file, classes)


def load_metadata(file: File, *, limits: Limits = limits_.DEFAULT) -> Metadata:
    """The metadata of a dataset, verified by their own digest.

    Of a ``.fred`` at an address only the beginning is fetched, 64 KiB or more if the metadata are larger. Other files
    are read and verified whole.
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
    """Write a dataset to ``path``, in the container that the suffix names: ``.fred``, ``.fred.zarr`` or ``.fred.h5``.

    ``codec`` is ``"compact"`` for the fewest bytes or ``"core"`` for a file that any Zarr reader opens. The default for
    ``.fred`` is compact, with Blosc for arrays of over four million values, which decode ten times faster so and take
    up to twice as many bytes. The default for ``.fred.zarr`` is core. ``.fred.h5`` has a single profile.

    The same data always give the same bytes. The write is atomic: a temporary file in the same folder is written,
    synced and renamed, so every reader sees the old or the new dataset. An existing dataset is replaced and its mode
    kept. A symbolic link is followed and kept.

    Raises
    ------
    LimitError
        If `load` would refuse the file under the same ``limits``; what was at ``path`` stays.
    ArgumentError
        For a name without one of the suffixes, or if ``path`` is something else, such as a folder that is not a
        dataset.
    AccessError
        If the operating system refuses: no space, no permission, too long a name. Nothing was changed.

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
    try:
        path = Path(path)
    except TypeError:
        raise ArgumentError("not a path", expected="a str or an os.PathLike", found=type(path).__name__) from None
    container = container_of(path)
    check_target(path, dataset=container == ".fred.zarr")
    if container == ".fred.zarr":
        with EntryStore() as entries:
            with located(path):
                add_files(data, entries, codec)
                limits_.check(entries.size, limits.file_bytes, "the size of the file", name="file_bytes")
                check_declared(hierarchy.decode(entries, entries.size, limits=limits), limits=limits)
            replace_directory(path, entries)
    else:
        with replacing(path) as target, located(path):
            _WRITE[container](data, target, codec)
            check_declared(declared(target, limits), limits=limits)


def convert(
    source: File,
    path: str | os.PathLike[str],
    *,
    codec: Profile | None = None,
    limits: Limits = limits_.DEFAULT,
) -> None:
    """Copy a dataset into another container or profile; nothing is lost and the content digest stays the same.

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
    """The content digest of a dataset or of a file, ``"sha256:"`` and 64 hexadecimal digits.

    A file is read and verified. Two datasets have the same digest if they decode to the same images and labels from
    the same content: coefficients, frequencies, labels, masks, base, shape, transform, quantisation, normalisation,
    whitening and class names. Provenance, results and other notes are not part of it. Raises what `load` raises.

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
        with EntryStore() as entries:
            add_files(data, entries, codec)
            return entries.size
    with tempfile.SpooledTemporaryFile(IN_MEMORY, prefix="fredfmt-") as target:
        _WRITE[container](data, target, codec)
        return target.seek(0, os.SEEK_END)


def container_of(path: Path) -> str:
    """The container that the suffix of a file name selects. Raises `ArgumentError` for any other suffix."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise ArgumentError("unknown suffix of a dataset", where=str(path), expected=" or ".join(SUFFIXES))


def _name(file: File) -> str:
    if isinstance(file, str | os.PathLike):
        return shown(os.fspath(file))
    return str(getattr(file, "name", "file object"))
