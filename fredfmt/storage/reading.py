"""Reads what the container of a file, a folder, a file object or an address declares; arrays are not decoded yet."""

from __future__ import annotations

import os
import re
import stat
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

from fredfmt.errors import ArgumentError, FormatError, access_explained
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits
from fredfmt.storage.addresses import Address, is_address
from fredfmt.storage.containers import archive, directory, hdf5, hierarchy
from fredfmt.storage.containers.declared import Package
from fredfmt.storage.partials import status_of

File: TypeAlias = str | os.PathLike[str] | IO[bytes]

SUFFIXES = (".fred", ".fred.zarr", ".fred.h5")

_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_PIECE = 1 << 20
"""Bytes per read of a stream of unknown length."""


def read_package(file: File, *, limits: Limits = limits_.DEFAULT) -> Package:
    """What a container declares; arrays are not decoded yet."""
    if isinstance(file, str) and is_address(file):
        content = Address(file).fetch(limits)
    elif isinstance(file, str | os.PathLike):
        path = Path(file)
        with access_explained("cannot be read"):
            if stat.S_ISDIR(status_of(path).st_mode):
                entries, size = directory.read(path, limits=limits)
                return hierarchy.decode(entries, size, limits=limits)
            content = _read_file(path, limits)
    elif getattr(file, "closed", False):
        raise ArgumentError("a closed file", expected="a file open for reading bytes")
    else:
        with access_explained("cannot be read"):
            content = read_pieces(file, limits)
    return decode(content, limits)


def decode(content: bytes, limits: Limits) -> Package:
    """The package in the bytes of a file."""
    limits_.check(len(content), limits.file_bytes, "the size of the file", name="file_bytes")
    _check_beginning(content, len(content))
    if content[: len(archive.MAGIC)] == archive.MAGIC:
        return hierarchy.decode(archive.unpack(content, limits=limits), len(content), limits=limits)
    return hdf5.decode(content, limits=limits)


def declared(stream: IO[bytes], limits: Limits) -> Package:
    """The package in a file that was just written and is still open; nothing is decoded yet."""
    size = stream.seek(0, os.SEEK_END)
    limits_.check(size, limits.file_bytes, "the size of the file", name="file_bytes")
    if _part(stream, 0, len(archive.MAGIC)) == archive.MAGIC:
        return hierarchy.decode(archive.Parts(partial(_part, stream), size, limits=limits), size, limits=limits)
    return hdf5.declared(stream, size, limits=limits)


def _check_beginning(content: bytes, size: int) -> None:
    """Raise `FormatError` if these first bytes of a file of ``size`` bytes are not those of a container."""
    if not content.startswith((archive.MAGIC, hdf5.MAGIC)):
        raise FormatError(
            "not a fredfmt file",
            expected=" or ".join(SUFFIXES),
            found=f"{size} bytes beginning {content[:8]!r}",
            hint="This is a web page: use the address of the file itself" if _PAGE.match(content) else "",
            rule="FRED-400",
        )


def _read_file(path: Path, limits: Limits) -> bytes:
    """The content of a regular file. A file that is too large or not a dataset is refused after its first bytes; a
    large archive whose directory does not account for every byte, after its first bytes and the directory; a large HDF5
    file with a wrong checksum, piece by piece.
    """
    _expect_file(path.stat().st_mode)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        status = os.fstat(stream.fileno())
        _expect_file(status.st_mode)
        limits_.check(status.st_size, limits.file_bytes, "the size of the file", name="file_bytes")
        beginning = stream.read(len(hdf5.MAGIC))
        _check_beginning(beginning, status.st_size)
        if status.st_size > _PIECE and beginning.startswith(archive.MAGIC):
            archive.Parts(partial(_part, stream), status.st_size, limits=limits)
        elif status.st_size > _PIECE:
            hdf5.check_seal(stream)
        stream.seek(0)
        return stream.read(status.st_size)


def _part(stream: IO[bytes], first: int, last: int) -> bytes:
    """The bytes of a file from ``first`` to before ``last``."""
    stream.seek(first)
    return stream.read(last - first)


def _expect_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise FormatError(
            "a pipe, a socket or a device",
            expected="a regular file, or the folder of a .fred.zarr",
            hint="Copy its content to a file, or pass a file object",
            rule="FRED-400",
        )


def read_pieces(stream: IO[bytes], limits: Limits) -> bytes:
    """The rest of a file object of unknown length, read in pieces."""
    pieces: list[bytes] = []
    size = 0
    while True:
        piece = stream.read(_PIECE)
        if not isinstance(piece, bytes):
            raise ArgumentError(
                "a file object that does not return bytes", expected="open(path, 'rb')", found=type(piece).__name__
            )
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        limits_.check(size, limits.file_bytes, "the size of the file", name="file_bytes")
    return b"".join(pieces)
