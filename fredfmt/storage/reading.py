"""A file, a folder, a file object or an address in, what its container declares out; nothing is decoded yet."""

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
"""Bytes that are read at once from what does not say how much there is."""


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
    return decode(content, limits)


def decode(content: bytes, limits: Limits) -> Package:
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


def _read_file(path: Path, limits: Limits) -> bytes:
    """All of a regular file; of what is too large, or not a data set, no more than its beginning is read.

    Of a large archive no more than the beginning and the directory, if that does not account for every byte.
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
        stream.seek(0)
        return stream.read(status.st_size)


def _part(stream: IO[bytes], first: int, last: int) -> bytes:
    """The bytes of a file from ``first`` to before ``last``."""
    stream.seek(first)
    return stream.read(last - first)


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
