"""Entries as one `.fred` file: a ZIP archive without compression, of which every byte is laid down by the format.

The same entries always give the same bytes, and the reader takes exactly the archives that `pack` makes: entries in
order and back to back, nothing before, between or after them, local and central headers equal, and every field that
does not describe an entry at its one value.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

from fredfmt.errors import FormatError, IntegrityError, LimitError, check, located
from fredfmt.model import limits as limits_
from fredfmt.storage.containers.names import LONGEST, check_name

MAGIC = b"PK\x03\x04"
_END_MAGIC = b"PK\x05\x06"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")

_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION
_DATE = 1 << 5 | 1
_MODE = 0o100644 << 16
_LARGEST = 2**32 - 1
_MOST = 2**16 - 1


def pack(entries: Mapping[str, bytes]) -> bytes:
    """The archive of ``entries``, in their order. Raises `LimitError` beyond 4 GiB or 65,535 entries."""
    parts: list[bytes] = []
    sizes: list[tuple[str, int, int]] = []
    for name, content in entries.items():
        checksum = zlib.crc32(content)
        if len(content) > _LARGEST:
            raise LimitError(
                "an entry is too large for a .fred file", where=name, expected="below 4 GiB", found=len(content)
            )
        sizes.append((name, len(content), checksum))
        parts += [_local_header(name, len(content), checksum), content]
    return b"".join((*parts, _directory(sizes)))


def unpack(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> dict[str, memoryview]:
    """The entries of an archive, views into ``content``. Raises `FormatError`, `LimitError` or `IntegrityError`."""
    view = memoryview(content)
    entries: dict[str, memoryview] = {}
    sizes: list[tuple[str, int, int]] = []
    at = 0
    while content[at : at + 4] == MAGIC:
        limits_.check(len(sizes) + 1, limits.entries, "the number of entries", name="entries")
        with located(f"entry {len(sizes)} at byte {at}"):
            name, size, checksum, at = _read_local(content, at)
            with check():
                if sizes and not _key(sizes[-1][0]) < _key(name):
                    raise FormatError("entries repeat or are out of order", found=[sizes[-1][0], name], rule="FRED-402")
        body = view[at : at + size]
        if len(body) < size:
            raise FormatError(
                "the archive is cut short",
                where=name,
                expected=f"{size} bytes",
                found=len(body),
                hint="Get the file again from where you had it",
                rule="FRED-401",
            )
        with check():
            _check_checksum(body, checksum, name)
        entries[name] = body
        sizes.append((name, size, checksum))
        at += size
    with check():
        _check_directory(content[at:], sizes, at)
    return entries


class Parts(Mapping[str, bytes]):
    """The entries of an archive of ``size`` bytes of which only those that are asked for are read and verified.

    ``read(first, last)`` gives the bytes in between. The directory is read at once, and stands for what lies before it.
    Raises what `unpack` raises.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int, *, limits: limits_.Limits = limits_.DEFAULT):
        self._read = read
        end = read(max(0, size - _END.size), size)
        if len(end) < _END.size or end[:4] != _END_MAGIC:
            raise FormatError("not an archive, or cut short", expected="the end of a directory", rule="FRED-401")
        count, length, start = _END.unpack(end)[4:7]
        limits_.check(count, limits.entries, "the number of entries", name="entries")
        if start + length + _END.size != size or length > count * (_CENTRAL.size + LONGEST):
            raise FormatError("the archive's end contradicts its size", found=size, rule="FRED-401")
        directory = read(start, size)
        sizes, at = [], 0
        for _ in range(count):
            fields = directory[at : at + _CENTRAL.size]
            if len(fields) < _CENTRAL.size:
                break
            checksum, _, stored, name_length = _CENTRAL.unpack(fields)[7:11]
            at += _CENTRAL.size
            sizes.append((check_name(directory[at : at + name_length]), stored, checksum))
            at += name_length
        _check_directory(directory, sizes, start)
        names = [name for name, _, _ in sizes]
        if names != sorted(set(names), key=_key):
            raise FormatError("entries repeat or are out of order", rule="FRED-402")
        self._places: dict[str, tuple[int, int, int]] = {}
        offset = 0
        for name, stored, checksum in sizes:
            self._places[name] = offset, stored, checksum
            offset += _LOCAL.size + len(name) + stored

    def __getitem__(self, name: str) -> bytes:
        offset, size, checksum = self._places[name]
        header = _local_header(name, size, checksum)
        content = self._read(offset, offset + len(header) + size)
        with located(name):
            if content[: len(header)] != header:
                raise FormatError("the entry's header contradicts the directory", rule="FRED-404")
            body = content[len(header) :]
            _check_checksum(body, checksum)
        return body

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def first(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> memoryview | int | None:
    """The first entry of an archive of which ``content`` is the beginning.

    If it reaches beyond that: how many bytes there must be. None for what is no archive.
    """
    if content[: len(MAGIC)] != MAGIC:
        return None
    with located("entry 0 at byte 0"):
        name, size, checksum, at = _read_local(content, 0)
    limits_.check(size, limits.json_bytes, "a JSON document", where=name, name="json_bytes")
    body = memoryview(content)[at : at + size]
    if len(body) < size:
        return at + size
    _check_checksum(body, checksum, name)
    return body


def _check_checksum(body: bytes | memoryview, checksum: int, name: str = "") -> None:
    if zlib.crc32(body) != checksum:
        raise IntegrityError(
            "the entry's CRC-32 does not match: it is damaged",
            where=name,
            hint="Get the file again from where you had it",
            rule="FRED-405",
        )


def _check_directory(found: bytes, sizes: list[tuple[str, int, int]], at: int) -> None:
    """Raise `FormatError` unless ``found``, from byte ``at`` on, is the directory that the entries ask for."""
    expected = _directory(sizes)
    if found == expected:
        return
    place = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(len(found), len(expected))
    )
    raise FormatError(
        "the archive's directory is damaged, cut short or not what the entries ask for",
        where=f"byte {at + place}",
        expected=f"{len(expected)} bytes after the last entry",
        found=len(found),
        hint="Get the file again from where you had it",
        rule="FRED-401",
    )


def _key(name: str) -> tuple[bool, str]:
    return name != "zarr.json", name


def _local_header(name: str, size: int, checksum: int) -> bytes:
    fields = (MAGIC, _VERSION, 0, 0, 0, _DATE, checksum, size, size, len(name), 0)
    return _LOCAL.pack(*fields) + name.encode("ascii")


def _directory(sizes: list[tuple[str, int, int]]) -> bytes:
    """The central directory and its end for entries of (name, size, CRC-32) laid back to back from byte 0."""
    if len(sizes) > _MOST:
        raise LimitError("too many entries for a .fred file", expected=f"at most {_MOST}", found=len(sizes))
    parts, offset = [], 0
    for name, size, checksum in sizes:
        if offset > _LARGEST:
            raise LimitError("too large for a .fred file", expected="below 4 GiB")
        common = (_VERSION, 0, 0, 0, _DATE, checksum, size, size, len(name), 0)
        parts.append(_CENTRAL.pack(b"PK\x01\x02", _MADE_BY, *common, 0, 0, 0, _MODE, offset) + name.encode("ascii"))
        offset += _LOCAL.size + len(name) + size
    directory = b"".join(parts)
    if offset > _LARGEST:
        raise LimitError("too large for a .fred file", expected="below 4 GiB", found=offset)
    return directory + _END.pack(_END_MAGIC, 0, 0, len(sizes), len(sizes), len(directory), offset, 0)


def _read_local(content: bytes, at: int) -> tuple[str, int, int, int]:
    """The name, size, CRC-32 and first content byte of the entry at byte ``at``."""
    header = content[at : at + _LOCAL.size]
    if len(header) < _LOCAL.size:
        raise FormatError(
            "the archive is cut short", expected=f"{_LOCAL.size} bytes", found=len(header), rule="FRED-401"
        )
    fields = _LOCAL.unpack(header)
    checksum, stored, size, name_length = fields[6:10]
    body = at + _LOCAL.size + name_length
    name = check_name(content[at + _LOCAL.size : body])
    with check():
        if stored != size or header != _local_header(name, size, checksum)[: _LOCAL.size]:
            raise FormatError(
                "a header field is not at its one value (version 2.0, no flags, stored, 1980-01-01, two equal sizes,"
                " no extra field)",
                where=name,
                found=fields[1:6] + fields[7:],
                rule="FRED-404",
            )
    return name, size, checksum, body
