"""Reads the samples of a tar file of WebDataset: consecutive members whose names agree up to the first dot."""

from __future__ import annotations

import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import PurePosixPath
from typing import Any

from fredfmt.errors import SourceError, quoted

_NAME = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL)
_HEADER = 1 << 20
"""The largest accepted size of a member's name and further headers, in bytes."""
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass
class Sample:
    """Members with the same name up to the first dot."""

    key: str
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset and size of each member's content, by suffix in lower case without the first dot."""


def read_samples(stream: FileIO, left_out: Counter[str]) -> Iterator[Sample]:
    """The samples of a tar file in order; other members are counted in ``left_out``.

    Raises `SourceError` for a file that is compressed, cut off or damaged, and for a name that points outside its
    folder.
    """
    start = stream.read(8)
    packed = next((name for magic, name in _PACKED.items() if start.startswith(magic)), None)
    if packed:
        raise SourceError(
            "a compressed shard cannot be read image by image", expected="tar", found=packed, hint="Decompress it"
        )
    sample: Sample | None = None
    for member in _members(stream):
        if member.isdir():
            continue
        if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
            raise SourceError("a name that points outside the shard", where=quoted(member.name), hint="Do not trust it")
        named = _NAME.fullmatch(member.name)
        if not member.isreg() or named is None:
            left_out["members that are not samples"] += 1
            continue
        key, suffix = named[1], named[2].lower()
        if sample is None or key != sample.key:
            if sample is not None:
                yield sample
            sample = Sample(key)
        if suffix in sample.parts:
            raise SourceError("a member occurs twice", where=member.name)
        sample.parts[suffix] = (member.offset_data, member.size)
    if sample is not None:
        yield sample


def _members(stream: FileIO) -> Iterator[tarfile.TarInfo]:
    """Every member, without keeping them in memory. Unlike tarfile, this detects a damaged or missing end."""
    size = os.fstat(stream.fileno()).st_size
    name, end = "the beginning", -1
    try:
        stream.seek(0)
        archive = tarfile.TarFile(fileobj=_Bounded(stream))  # type: ignore[arg-type]  # it has read, seek and tell
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps all members
            name = member.name
            if not end < member.offset_data <= archive.offset or member.size < 0:
                raise SourceError("a damaged header", where=name)
            end = member.offset_data + member.size
            if end > size and member.isreg():
                raise SourceError(
                    "cut off", where=name, expected=f"{member.size:,} bytes", found=f"{size - member.offset_data:,}"
                )
            yield member
    except (tarfile.TarError, ValueError, OverflowError, LookupError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError("not a readable tar file", where=f"after {name}", found=str(error)) from None
    stream.seek(archive.offset)
    mark = stream.read(tarfile.BLOCKSIZE)
    if mark.strip(b"\0") or len(mark) < tarfile.BLOCKSIZE:
        raise SourceError(
            "cut off" if len(mark) < tarfile.BLOCKSIZE else "damaged header",
            where=f"after {name}",
            expected="another member, or the zeros that end a tar file",
            hint="Get the shard again; if it is complete, append 1,024 zero bytes",
        )
    _check_rest(stream, f"after {name}")


def _check_rest(stream: FileIO, where: str) -> None:
    """Raise `SourceError` if zeros took the place of members: a tar file ends with zeros up to a whole record."""
    start = stream.tell()
    while part := stream.read(_HEADER):
        if part.strip(b"\0"):
            raise SourceError(
                "more data after the zeros that end a tar file",
                where=where,
                hint="A header is damaged, or several tar files were joined: get the shard again, or separate them",
            )
    if stream.tell() - start > tarfile.RECORDSIZE:
        raise SourceError(
            "ends with too many zeros",
            where=where,
            expected=f"at most {tarfile.RECORDSIZE:,}",
            found=f"{stream.tell() - start:,}",
            hint="An interrupted download leaves such a file: get the shard again; if it is complete, cut them off",
        )


class _Bounded:
    """A file that refuses large reads, whatever sizes its headers claim."""

    def __init__(self, stream: FileIO) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read
        self.name, self.mode = "", "rb"

    def read(self, size: int) -> Any:
        if size > _HEADER:
            raise SourceError("a header is too large", expected=f"at most {_HEADER:,} bytes", found=f"{size:,}")
        return self._read(size)
