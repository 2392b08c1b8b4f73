"""Sound files made unsound: a number in, a mutated file out, always the same one."""

from __future__ import annotations

import io
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from fredfmt.errors import FredError
from fredfmt.model.digest import digest_of_data, digest_of_document
from fredfmt.model.documents import canonical
from fredfmt.storage import coder
from fredfmt.storage.containers import archive, hdf5, hierarchy
from fredfmt.storage.containers.package import unpack

SPEC = Path(__file__).parents[3] / "spec"
sys.path.insert(0, str(SPEC / "vectors"))

Entries = dict[str, bytes]


@dataclass(frozen=True)
class Mutant:
    """A mutated file."""

    content: bytes | Entries
    """Bytes of a `.fred` or `.fred.h5` file, or the files of a directory."""
    digest: str
    """The content digest of the sound file."""
    mutations: tuple[str, ...]
    resealed: bool
    """Whether checksums were put right after the mutation, so that it may be a valid file of other data."""


def _sound() -> list[tuple[bytes | Entries, str]]:
    found: list[tuple[bytes | Entries, str]] = []
    for path in sorted((SPEC / "vectors/1.0/valid").glob("*/case.json")):
        case = json.loads(path.read_text())
        file = path.parent / case["file"]
        if file.is_dir():
            continue
        content = file.read_bytes()
        found.append((content, case["digest"]))
        if file.suffix == ".fred":
            found.append(({name: bytes(body) for name, body in archive.unpack(content).items()}, case["digest"]))
        else:
            found += [(content, case["digest"])] * 20
    return found


SOUND = _sound()
FRED = [content for content, _ in SOUND if isinstance(content, bytes) and content[:2] == b"PK"]


def mutant(number: int, *, reseal_hdf5: bool = False) -> Mutant:
    """The mutant of that number. HDF5 files are only resealed where that is asked for (see SECURITY.md)."""
    chance = random.Random(number)
    content, digest = chance.choice(SOUND)
    names, resealed = [], False
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if isinstance(content, dict):
            mutate = chance.choice(_OF_ENTRIES)
            changed = mutate(chance, dict(content))
            changed.pop("labels", None)  # there is a folder of that name
            content = _sealed(chance, changed)
            resealed |= mutate in (_json, _types, _spelling, _chunk, _stream) or content is not changed
        elif content[:2] == b"PK" and chance.random() < 0.6:
            mutate = chance.choice(_OF_ENTRIES)
            resealed = True
            try:
                entries = {name: bytes(body) for name, body in archive.unpack(content).items()}
            except FredError:  # mutated before
                continue
            compact = chance.random() < 0.02 or content[8] == 8
            content = archive.pack(_sealed(chance, mutate(chance, entries)), compact=compact)
        elif content.startswith(hdf5.MAGIC) and chance.random() < 0.3:
            mutate, resealed = _hdf5_document, True
            content = mutate(chance, content)
        else:
            mutate = chance.choice((_bits, _bytes, _cut, _splice, _insert, _repeat))
            content = mutate(chance, content or b"PK")
        names.append(mutate.__name__.lstrip("_"))
    if reseal_hdf5 and isinstance(content, bytes) and content.startswith(hdf5.MAGIC):
        content, resealed = hdf5.user_block(content[512:]) + content[512:], True
    digest = next((of_sound for sound, of_sound in SOUND if sound == content), digest)  # spliced into another of them
    return Mutant(content, digest, tuple(names), resealed)


def _place(chance: random.Random, content: bytes) -> int:
    return chance.randrange(len(content) or 1)


def _bits(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 4, 32))):
        changed[_place(chance, content)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _bytes(chance: random.Random, content: bytes) -> bytes:
    at, length = _place(chance, content), chance.choice((1, 2, 4, 8))
    value = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80", bytes([chance.randrange(256)])))
    return content[:at] + (value * length)[: len(content) - at] + content[at + length :]


def _cut(chance: random.Random, content: bytes) -> bytes:
    at = _place(chance, content)
    return content[:at] if chance.random() < 0.5 else content[at:]


def _splice(chance: random.Random, content: bytes) -> bytes:
    other = chance.choice([sound for sound, _ in SOUND if isinstance(sound, bytes)])
    return content[: _place(chance, content)] + other[_place(chance, other) :]


def _insert(chance: random.Random, content: bytes) -> bytes:
    at = _place(chance, content)
    return content[:at] + chance.randbytes(chance.choice((1, 2, 16, 300))) + content[at:]


def _repeat(chance: random.Random, content: bytes) -> bytes:
    start, end = sorted((_place(chance, content), _place(chance, content)))
    return content[:end] + content[start:]


def _entry_bytes(chance: random.Random, entries: Entries) -> Entries:
    name = chance.choice(list(entries))
    change: Callable[[random.Random, bytes], bytes] = chance.choice((_bits, _bytes, _cut, _insert, _repeat))
    entries[name] = change(chance, entries[name] or b"\0")
    return entries


def _entry_gone(chance: random.Random, entries: Entries) -> Entries:
    if len(entries) > 1:
        del entries[chance.choice(list(entries))]
    return entries


def _entry_added(chance: random.Random, entries: Entries) -> Entries:
    name = chance.choice(("zz", "labels/c/1", "base/zarr.json", "labels/d/0", "a", "mask_of/zarr.json", "labels"))
    entries[name] = chance.choice([*entries.values(), b""])
    return dict(sorted(entries.items(), key=lambda item: (item[0] != "zarr.json", item[0])))


VALUES = (
    0,
    1,
    -1,
    2,
    16,
    2**16,
    2**31,
    2**53 - 1,
    0.5,
    -0.5,
    1e30,
    1e308,
    True,
    False,
    None,
    "",
    "dct",
    "haar",
    "x" * 999,
)


def _json(chance: random.Random, entries: Entries) -> Entries:
    """Change one value of one document, and spell and seal it again."""

    def change(document: Any) -> Any:
        holder, key = chance.choice(list(_places(document)) or [({"": document}, "")])
        action = chance.randrange(4)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] = chance.choice((holder[key] + 1, holder[key] * 2, -holder[key], holder[key] * 1000))
        elif action == 2 and isinstance(holder, dict):
            holder[chance.choice(("step", "mode", "shape", "k", "extra", "counts", "must_understand"))] = holder[key]
        else:
            holder[key] = chance.choice((*VALUES, [], {}, [holder[key]], [1, 2], [[[[1]]]]))
        return document

    return _rewritten(chance, entries, change)


def _types(chance: random.Random, entries: Entries) -> Entries:
    """Put a value of another type, or as equal to the old one as Python is lenient, in one place of one document."""
    return _rewritten(chance, entries, lambda document: _retyped(chance, document))


def _retyped(chance: random.Random, document: Any) -> Any:
    places = list(_places(document))
    if not places or chance.random() < 0.02:
        return chance.choice((None, True, 0, 1.5, "", [], {}, [document]))
    holder, key = chance.choice(places)
    old = holder[key]
    nested: Any = old
    for _ in range(chance.choice((1, 2, 11, 15, 17, 40))):
        nested = chance.choice(([nested], {"x": nested}))
    like = int(old) if isinstance(old, bool) else bool(old) if old in (0, 1) else str(old)
    huge = chance.choice((2**53, 1e21, 1e300, -1e300, 5e-324, 2**53 - 1, -(2**53) + 1))
    new = chance.choice((None, True, False, like, huge, nested, str(old), [], {}, [old], {"a": old}, 0, -1, 0.5))
    if isinstance(holder, dict) and chance.random() < 0.2:
        holder[chance.choice(("x", "", "\u00e9", "fill_value", "fred", "metadata", "counts", "labels"))] = new
    else:
        holder[key] = new
    return document


SPELLINGS = (b"1.0", b"1e0", b"-0", b"0.0", b"01", b"1e400", b"NaN", b"null", b"true", b"9" * 400, b'"\\ud800"', b"[]")


def _spelling(chance: random.Random, entries: Entries) -> Entries:
    """Spell one number of one document otherwise, and leave the digests."""
    name = chance.choice([name for name in entries if name.endswith("zarr.json")] or list(entries))
    numbers = list(re.finditer(rb"(?<=[:,\[])-?[0-9.e+]+", entries[name]))
    if numbers:
        place = chance.choice(numbers)
        content = entries[name]
        entries[name] = content[: place.start()] + chance.choice(SPELLINGS) + content[place.end() :]
    return entries


def _rewritten(chance: random.Random, entries: Entries, change: Callable[[Any], Any]) -> Entries:
    """One document changed, its digest put right and spelled canonically, where that is possible."""
    name = chance.choice([name for name in entries if name.endswith("zarr.json")] or list(entries))
    try:
        document = change(json.loads(entries[name]))
    except ValueError:
        return entries
    with suppress(KeyError, TypeError, AttributeError, FredError):
        _stamp(document["attributes"]["fred"])
    entries[name] = _spelled(document)
    return entries


def _stamp(fred: Any) -> None:
    fred["integrity"]["metadata"] = digest_of_document(fred)


def _spelled(document: Any) -> bytes:
    try:
        return canonical(document)
    except FredError:
        return json.dumps(document).encode()


def _hdf5_document(chance: random.Random, content: bytes) -> bytes:
    """Put a value of another type in the metadata document of an HDF5 file, and seal it again."""
    try:
        package = hdf5.decode(content)
    except FredError:  # mutated before
        return content
    document = _retyped(chance, package.document)
    try:
        _stamp(document)
        stream = io.BytesIO()
        hdf5.write(replace(package, document=document), stream)
        return stream.getvalue()
    except (KeyError, TypeError, AttributeError, FredError):
        return content


def _sealed(chance: random.Random, entries: Entries) -> Entries:
    """Put both digests right, now and then, where the reader can tell what they should be."""
    if chance.random() < 0.5:
        return entries
    try:
        document = json.loads(entries["zarr.json"])
        fred = document["attributes"]["fred"]
        for content in (fred["integrity"]["content"], None):
            package = hierarchy.decode(entries, sum(map(len, entries.values())))
            fred["integrity"]["content"] = content or digest_of_data(unpack(package, verify=False))
            fred["integrity"]["metadata"] = digest_of_document(fred)
            entries = {**entries, "zarr.json": canonical(document)}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return entries


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    else:
        return
    for key, part in pairs:
        yield value, key
        yield from _places(part)


def _chunk(chance: random.Random, entries: Entries) -> Entries:
    """Change one Blosc frame and put its CRC-32C right."""
    names = [name for name in entries if "/c/" in name and len(entries[name]) > 20]
    if names:
        name = chance.choice(names)
        frame = chance.choice((_bits, _bytes, _cut, _insert, _repeat))(chance, entries[name][:-4])
        entries[name] = frame + google_crc32c.value(frame).to_bytes(4, "little")
    return entries


def _stream(chance: random.Random, entries: Entries) -> Entries:
    """Change what one stream of the context coder says, and put its CRC-32C right: its end, which the reader checks,
    a bit in between, another stream, random bytes, or other values of the same shape that are coded anew."""
    coded = list(_coded_arrays(entries))
    if coded:
        name, dtype, shape = chance.choice(coded)
        stream = chance.choice(_STREAM_CHANGES)(chance, entries[name][:-4], dtype, shape)
        entries[name] = stream + google_crc32c.value(stream).to_bytes(4, "little")
    return entries


def _coded_arrays(entries: Entries) -> Iterator[tuple[str, str, list[int]]]:
    """The first chunk, dtype and shape of each array that goes through the context coder."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        for name, document in json.loads(entries["zarr.json"])["consolidated_metadata"]["metadata"].items():
            chunk = f"{name}/c{'/0' * len(document['shape'])}"
            dtype, shape = document["data_type"], document["shape"]
            sound = dtype in coder.DTYPES and all(type(length) is int and 0 < length < 1000 for length in shape)
            if sound and document["codecs"][0]["name"] == coder.NAME and chunk in entries:
                yield chunk, dtype, shape


def _shorter(chance: random.Random, stream: bytes, dtype: str, shape: list[int]) -> bytes:
    return stream[: -chance.randint(1, 5)]


def _longer(chance: random.Random, stream: bytes, dtype: str, shape: list[int]) -> bytes:
    return stream + chance.choice((b"\0", b"\xff", b"\0" * 5, b"\1\0\0\0\0", chance.randbytes(3)))


def _last_bits(chance: random.Random, stream: bytes, dtype: str, shape: list[int]) -> bytes:
    return stream[:-2] + _bits(chance, stream[-2:] or b"\0")


def _other_stream(chance: random.Random, stream: bytes, dtype: str, shape: list[int]) -> bytes:
    length = chance.choice((0, 1, 4, len(stream), 300))
    return chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length), stream[chance.randint(0, 4) :]))


def _changed(chance: random.Random, stream: bytes, dtype: str, shape: list[int]) -> bytes:
    return chance.choice((_bits, _bytes, _cut, _insert, _repeat))(chance, stream or b"\0")


def _other_values(chance: random.Random, stream: bytes, dtype: str, shape: list[int]) -> bytes:
    try:
        values = coder.decode(stream, dtype, tuple(shape))
    except FredError:  # mutated before
        return stream
    limits = np.iinfo(dtype)
    for _ in range(chance.choice((1, 4, 64))):
        place = chance.randrange(values.size)
        values.flat[place] = chance.choice((0, 1, limits.min, limits.max, chance.randint(limits.min, limits.max)))
    return coder.encode(values)


_STREAM_CHANGES = (_shorter, _longer, _last_bits, _other_stream, _changed, _changed, _other_values)
_OF_ENTRIES = (_entry_bytes, _entry_gone, _entry_added, _json, _types, _types, _spelling, _chunk, _stream, _stream)
