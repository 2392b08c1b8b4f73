"""Entries as one `.fred` file: a ZIP archive whose every byte is defined by the format.

The same entries always give the same bytes, and the reader accepts only the archives that `pack` makes: entries in
order and back to back, nothing before, between or after them, local and central headers equal, and every field that
does not describe an entry at its fixed value. Entries are stored uncompressed, except that the root document of a
compact archive is deflated. As several deflate streams can inflate to the same document, such an archive ends with a
checksum of all its bytes.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO

from fredfmt.errors import FormatError, IntegrityError, LimitError, check, located
from fredfmt.model import limits as limits_
from fredfmt.storage.containers.names import LONGEST, ROOT, check_name, place

MAGIC = b"PK\x03\x04"
_END_MAGIC = b"PK\x05\x06"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_SEAL = struct.Struct("<I")

_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION
_DATE = 1 << 5 | 1
_MODE = 0o100644 << 16
_STORED, _DEFLATED = 0, 8
_LARGEST = 2**32 - 1
_MOST = 2**16 - 1
_DAMAGED = "Get the file again from its source"


@dataclass(frozen=True)
class Entry:
    """The headers of one entry."""

    name: str
    size: int
    """Bytes of its content."""
    checksum: int
    """CRC-32 of its content."""
    stored: int
    """Bytes of the stored content in the archive."""
    method: int = _STORED

    @property
    def local_header(self) -> bytes:
        """The local header, which precedes the stored bytes."""
        return _LOCAL.pack(MAGIC, *self._common) + self.name.encode("ascii")

    def central_header(self, offset: int) -> bytes:
        """The header in the central directory, for an entry whose local header is at byte ``offset``."""
        fields = (b"PK\x01\x02", _MADE_BY, *self._common, 0, 0, 0, _MODE, offset)
        return _CENTRAL.pack(*fields) + self.name.encode("ascii")

    @property
    def _common(self) -> tuple[int, ...]:
        sizes = (self.checksum, self.stored, self.size, len(self.name))
        return (_VERSION, 0, self.method, 0, _DATE, *sizes, 0)


def write(entries: Mapping[str, bytes], stream: IO[bytes], *, compact: bool = False) -> None:
    """Write the archive of ``entries``, in their order; one entry at a time is in memory. In a compact archive the root
    document is deflated, and a checksum ends it. Raises `LimitError` beyond 4 GiB or 65,535 entries.
    """
    laid: list[Entry] = []
    size = checksum = 0
    for name, content in entries.items():
        deflated = compact and name == ROOT
        stored = _deflate(content) if deflated else content
        method = _DEFLATED if deflated else _STORED
        entry = Entry(name, len(content), zlib.crc32(content), len(stored), method)
        size += _LOCAL.size + len(name) + len(stored)
        if size > _LARGEST:
            raise LimitError("too large for a .fred file", where=name, expected="below 4 GiB", found=size)
        laid.append(entry)
        for part in (entry.local_header, stored):
            stream.write(part)
            checksum = zlib.crc32(part, checksum)
    directory = _directory(laid)
    stream.write(directory + _seal(laid, zlib.crc32(directory, checksum)))


def pack(entries: Mapping[str, bytes], *, compact: bool = False) -> bytes:
    """The archive that `write` writes.

    >>> len(pack({"zarr.json": b"{}"}))
    118
    """
    stream = io.BytesIO()
    write(entries, stream, compact=compact)
    return stream.getvalue()


def unpack(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> dict[str, memoryview]:
    """The entries of an archive; where possible they are views of ``content``.

    Raises `FormatError`, `LimitError` or `IntegrityError`.
    """
    view = memoryview(content)
    entries: dict[str, memoryview] = {}
    laid: list[Entry] = []
    at = 0
    while content[at : at + 4] == MAGIC:
        limits_.check(len(laid) + 1, limits.entries, "the number of entries", name="entries")
        with located(f"entry {len(laid)} at byte {at}"):
            entry, at = _read_local(content, at)
            with check():
                if laid and not place(laid[-1].name) < place(entry.name):
                    raise FormatError(
                        "entries repeat or are out of order", found=[laid[-1].name, entry.name], rule="FRED-402"
                    )
        body = view[at : at + entry.stored]
        if len(body) < entry.stored:
            raise FormatError(
                "the archive is cut short",
                where=entry.name,
                expected=f"{entry.stored} bytes",
                found=len(body),
                hint=_DAMAGED,
                rule="FRED-401",
            )
        entries[entry.name] = _content(entry, body, limits)
        laid.append(entry)
        at += entry.stored
    with check():
        _check_end(content[at:], laid, at)
        _check_seal(content, laid)
    return entries


class Parts(Mapping[str, bytes]):
    """The entries of an archive of ``size`` bytes, each read and verified when it is accessed.

    ``read(first, last)`` gives the bytes from ``first`` to before ``last``. The directory is read first; the position
    of each entry follows from it. Raises what `unpack` raises.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int, *, limits: limits_.Limits = limits_.DEFAULT):
        self._read, self._limits = read, limits
        tail = read(max(0, size - _END.size - _SEAL.size), size)
        end = next((tail[at:] for at in (_SEAL.size, 0) if tail[at : at + 4] == _END_MAGIC), b"")
        if len(end) < _END.size:
            raise FormatError("not an archive, or cut short", expected="the end of a directory", rule="FRED-401")
        count, length, start = _END.unpack(end[: _END.size])[4:7]
        limits_.check(count, limits.entries, "the number of entries", name="entries")
        if start + length + len(end) != size or length > count * (_CENTRAL.size + LONGEST):
            raise FormatError("the archive's end contradicts its size", found=size, rule="FRED-401")
        directory = read(start, size)
        laid, at = [], 0
        for _ in range(count):
            fields = directory[at : at + _CENTRAL.size]
            if len(fields) < _CENTRAL.size:
                break
            unpacked = _CENTRAL.unpack(fields)
            method, (checksum, stored, content_size, name_length) = unpacked[4], unpacked[7:11]
            at += _CENTRAL.size
            name = check_name(directory[at : at + name_length])
            laid.append(_checked(Entry(name, content_size, checksum, stored, method)))
            at += name_length
        _check_end(directory, laid, start)
        names = [entry.name for entry in laid]
        if names != sorted(set(names), key=place):
            raise FormatError("entries repeat or are out of order", rule="FRED-402")
        self._places: dict[str, tuple[int, Entry]] = {}
        offset = 0
        for entry in laid:
            self._places[entry.name] = offset, entry
            offset += len(entry.local_header) + entry.stored

    @property
    def stored_sizes(self) -> dict[str, int]:
        """The bytes of each entry in the archive without its headers."""
        return {name: entry.stored for name, (_, entry) in self._places.items()}

    def __getitem__(self, name: str) -> bytes:
        offset, entry = self._places[name]
        header = entry.local_header
        content = self._read(offset, offset + len(header) + entry.stored)
        with located(name):
            if content[: len(header)] != header:
                raise FormatError("the entry's header contradicts the directory", rule="FRED-404")
            return bytes(_content(entry, memoryview(content)[len(header) :], self._limits, where=""))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def first(content: bytes, *, limits: limits_.Limits = limits_.DEFAULT) -> memoryview | int | None:
    """The first entry of an archive that begins with ``content``. If the entry is longer than that: the number of bytes
    that are needed. None if it is not an archive.
    """
    if content[: len(MAGIC)] != MAGIC:
        return None
    with located("entry 0 at byte 0"):
        entry, at = _read_local(content, 0)
    limits_.check_document(max(entry.size, entry.stored), limits, where=entry.name)
    body = memoryview(content)[at : at + entry.stored]
    if len(body) < entry.stored:
        return at + entry.stored
    return _content(entry, body, limits)


def _content(entry: Entry, body: memoryview, limits: limits_.Limits, where: str | None = None) -> memoryview:
    """The verified content of an entry from its stored bytes."""
    where = entry.name if where is None else where
    if entry.method == _DEFLATED:
        limits_.check_document(entry.size, limits, where=where)
        body = memoryview(_inflate(body, entry.size, where))
    with check():
        if zlib.crc32(body) != entry.checksum:
            raise IntegrityError(
                "the entry's CRC-32 does not match: it is damaged", where=where, hint=_DAMAGED, rule="FRED-405"
            )
    return body


def _deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return deflater.compress(content) + deflater.flush()


def _inflate(body: memoryview, size: int, where: str) -> bytes:
    """The ``size`` bytes of a raw deflate stream; a stream that inflates to more never takes more memory."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(body, size) if size else b""
        more = inflater.decompress(inflater.unconsumed_tail if size else body, 1)
    except zlib.error as error:
        raise IntegrityError(
            "cannot be inflated: it is damaged", where=where, found=str(error), hint=_DAMAGED, rule="FRED-406"
        ) from None
    if len(content) != size or more or inflater.unused_data or not inflater.eof:
        raise IntegrityError(
            "does not inflate to its declared size: it is damaged",
            where=where,
            expected=f"{size} bytes",
            hint=_DAMAGED,
            rule="FRED-406",
        )
    return content


def _seal(laid: list[Entry], checksum: int) -> bytes:
    """The comment of a compact archive: the CRC-32 of all bytes before it. Empty for a core archive."""
    return _SEAL.pack(checksum) if _compact(laid) else b""


def _compact(laid: list[Entry]) -> bool:
    return any(entry.method == _DEFLATED for entry in laid)


def _check_end(found: bytes, laid: list[Entry], at: int) -> None:
    """Raise `FormatError` unless ``found``, which begins at byte ``at``, is exactly the directory of the entries,
    followed by the checksum in a compact archive."""
    expected = _directory(laid)
    length = len(expected) + (_SEAL.size if _compact(laid) else 0)
    if found[: len(expected)] == expected and len(found) == length:
        return
    place = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(len(found), len(expected))
    )
    raise FormatError(
        "the archive's directory is damaged, cut short or contradicts the entries",
        where=f"byte {at + place}",
        expected=f"{length} bytes after the last entry",
        found=len(found),
        hint=_DAMAGED,
        rule="FRED-401",
    )


def _check_seal(content: bytes, laid: list[Entry]) -> None:
    if _compact(laid) and content[-_SEAL.size :] != _seal(laid, zlib.crc32(memoryview(content)[: -_SEAL.size])):
        raise IntegrityError(
            "the archive's checksum does not match: it is damaged", where="comment", hint=_DAMAGED, rule="FRED-407"
        )


def _directory(laid: list[Entry]) -> bytes:
    """The central directory, with its end record, of entries that lie back to back from byte 0."""
    if len(laid) > _MOST:
        raise LimitError("too many entries for a .fred file", expected=f"at most {_MOST}", found=len(laid))
    parts, offset = [], 0
    for entry in laid:
        if offset > _LARGEST:
            raise LimitError("too large for a .fred file", expected="below 4 GiB")
        parts.append(entry.central_header(offset))
        offset += len(entry.local_header) + entry.stored
    directory = b"".join(parts)
    if offset > _LARGEST:
        raise LimitError("too large for a .fred file", expected="below 4 GiB", found=offset)
    comment = _SEAL.size if _compact(laid) else 0
    return directory + _END.pack(_END_MAGIC, 0, 0, len(laid), len(laid), len(directory), offset, comment)


def _read_local(content: bytes, at: int) -> tuple[Entry, int]:
    """The entry whose local header is at byte ``at``, and the position of its stored bytes."""
    header = content[at : at + _LOCAL.size]
    if len(header) < _LOCAL.size:
        raise FormatError(
            "the archive is cut short", expected=f"{_LOCAL.size} bytes", found=len(header), rule="FRED-401"
        )
    fields = _LOCAL.unpack(header)
    checksum, stored, size, name_length = fields[6:10]
    body = at + _LOCAL.size + name_length
    entry = Entry(check_name(content[at + _LOCAL.size : body]), size, checksum, stored, fields[3])
    sound = replace(entry, size=stored, method=_STORED)  # the values assumed for an entry with a broken header
    with check():
        _checked(entry)
        sound = entry
        if header != entry.local_header[: _LOCAL.size]:
            raise FormatError(
                "a header field does not have its fixed value (version 2.0, no flags, 1980-01-01, no extra field)",
                where=entry.name,
                found=fields[1:6] + fields[7:],
                hint=""
                if at or entry.name == ROOT
                else f"A .fred file begins with {ROOT}: this is another ZIP archive",
                rule="FRED-404",
            )
    return sound, body


def _checked(entry: Entry) -> Entry:
    """The entry, if the format allows its compression method for its name and its sizes agree with the method."""
    allowed = (_STORED, _DEFLATED) if entry.name == ROOT else (_STORED,)
    if entry.method not in allowed or (entry.method == _STORED and entry.stored != entry.size):
        raise FormatError(
            "the entry is not stored as the format requires",
            where=entry.name,
            expected="method 0 (stored) and two equal sizes; zarr.json alone may be deflated (method 8)",
            found=f"method {entry.method}, {entry.stored} bytes of {entry.size}",
            rule="FRED-404",
        )
    return entry
