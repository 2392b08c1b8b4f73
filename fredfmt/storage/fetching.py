"""Data at an address: from the cache if the server says that the file is unchanged, else fetched, verified and kept."""

from __future__ import annotations

from fredfmt.errors import IntegrityError, SourceError
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData
from fredfmt.model.digest import digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.model.selection import Classes
from fredfmt.storage import cache
from fredfmt.storage.addresses import Address, NoPiecesError, Pieces, unchanged
from fredfmt.storage.containers import archive, hierarchy
from fredfmt.storage.containers.package import unpack, unpack_classes
from fredfmt.storage.reading import decode

LARGE = 1 << 20
"""Bytes of the smallest file for which several requests are faster than one."""


def fetch_verified(
    address: str, *, verify: bool = True, expected_digest: str | None = None, limits: Limits = limits_.DEFAULT
) -> tuple[bytes, FreDData]:
    """The bytes of the file at an address and its data: from the cache if the file is unchanged, else fetched and
    kept."""
    kept = cache.recall(address)
    if kept is not None and kept.digest == expected_digest and (content := cache.read(kept)) is not None:
        data = unpack(decode(content, limits), verify=verify, limits=limits)
        check_expected(data, expected_digest)
        return content, data
    there = Address(address)
    mark = there.mark()
    known = cache.read(kept) if kept is not None and unchanged(mark, kept.mark) else None
    content = there.fetch(limits) if known is None else known
    data = unpack(decode(content, limits), verify=verify, limits=limits)
    check_expected(data, expected_digest)
    if known is None and verify:
        same = there.mark() == mark  # if the file was replaced meanwhile, it is unknown which version was fetched
        cache.keep(address, content, digest_of_data(data), mark if same else {})
    return content, data


def fetch_classes(address: str, classes: Classes, limits: Limits) -> FreDData | None:
    """The instances of some classes, from the chunks that hold them; None if fetching the whole file is as quick."""
    kept, there = cache.recall(address), Address(address)
    mark = there.mark()
    size = mark.get("size", "")
    if (kept is not None and unchanged(mark, kept.mark)) or (size.isdecimal() and int(size) < LARGE):
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
    if pieces.size < LARGE or pieces.read(0, len(archive.MAGIC)) != archive.MAGIC:
        return None
    limits_.check(pieces.size, limits.file_bytes, "the size of the file", name="file_bytes")
    entries = archive.Parts(pieces.read, pieces.size, limits=limits)
    return unpack_classes(hierarchy.decode(entries, pieces.size, limits=limits), classes, limits=limits)


def check_expected(data: FreDData, expected: str | None) -> None:
    if expected is not None and (found := digest_of_data(data)) != expected:
        raise IntegrityError(
            "valid, but not the expected dataset",
            where="expected_digest",
            expected=expected,
            found=found,
            hint="It was replaced, or the digest belongs to another file: ask its publisher",
        )
