"""``torch.save`` files, zip archives or older bare pickles, read only with ``torch.load(weights_only=True)``."""

from __future__ import annotations

import io
import pickletools
import warnings
import zipfile
from typing import IO, Any

from fredfmt.errors import LimitError, SourceError, located
from fredfmt.exchange.importers.readers import pickles
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits

_PICKLE_BYTES = 64 << 20
_BESIDE = ("version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")
_MAGIC = 0x1950A86A20F9469CFC6C


def read_torch(content: bytes, limits: Limits) -> Any:
    """Dicts, lists, numbers and numpy arrays of a file; bfloat16 becomes float32.

    Before torch reads the file, `pickles` reads its declarations: every tensor must be inside a storage whose numbers
    are in the file, and all must be within the limits. Raises `SourceError` or `LimitError`; no code in the file is
    ever executed.
    """
    declared = _zipped(content) if content[:2] == b"PK" else _legacy(content)
    shown = sum(tensor.nbytes for tensor in declared.tensors())
    stored = sum(storage.nbytes for storage in declared.storages)
    limits_.check(max(shown, stored), limits.decoded_bytes, "all tensors", name="decoded_bytes")
    return _plain(_loaded(content))


def _loaded(content: bytes) -> Any:
    try:
        import torch
    except ImportError:
        raise SourceError("reading .pt files needs torch", hint="pip install torch") from None
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]  # its module differs between versions of numpy
    allowed: list[Any] = [np.dtype, *{type(np.dtype(name)) for name in pickles.DTYPES}]
    allowed += [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
            warnings.simplefilter("ignore")  # warnings about old storages, which it reads nevertheless
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged files
        words = str(error).rpartition("WeightsUnpickler error: ")[2]  # the text before it advises to execute the file
        raise SourceError(
            "torch cannot read it", found=f"{type(error).__name__}: {words.partition(chr(10))[0]}"
        ) from None


def _zipped(content: bytes) -> pickles.Pickle:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            folder = names[0].partition("/")[0] + "/" if names else ""
            _check_entries(entries, folder)
            if f"{folder}data.pkl" not in names:
                raise SourceError("not a file of torch.save", expected="data.pkl", found=", ".join(names[:4]))
            limits_.check(
                archive.getinfo(f"{folder}data.pkl").file_size, _PICKLE_BYTES, "the pickle", name="json_bytes"
            )
            with located("data.pkl"):
                declared = pickles.read(io.BytesIO(archive.read(f"{folder}data.pkl")))
            sizes = {entry.filename: entry.file_size for entry in entries}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, SourceError | LimitError):
            raise
        raise SourceError("damaged, or not a zip archive", found=f"{type(error).__name__}: {error}") from None
    for storage in declared.storages:
        there = sizes.get(f"{folder}data/{storage.key}", 0)
        if storage.nbytes > there:
            raise SourceError(
                "the numbers of a tensor are incomplete", expected=f"{storage.nbytes} bytes", found=f"{there}"
            )
    return declared


def _check_entries(entries: list[zipfile.ZipInfo], folder: str) -> None:
    if len({entry.filename for entry in entries}) != len(entries):
        raise SourceError("the archive names an entry twice")
    for entry in entries:
        name = entry.filename.removeprefix(folder)
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise SourceError("the archive is compressed or encrypted", where=entry.filename, expected="as torch saves")
        if not (name == "data.pkl" or name in _BESIDE or name.startswith("data/")):
            raise SourceError(
                "the archive contains more than tensors",
                where=entry.filename,
                hint="A TorchScript module contains code and cannot be imported",
            )


def _legacy(content: bytes) -> pickles.Pickle:
    stream = io.BytesIO(content)
    with located("a file of torch.save before 1.6"):
        if _first(stream) != _MAGIC:
            raise SourceError("not a file of torch.save", expected="its magic number")
        pickles.read(stream), pickles.read(stream)  # the version of the protocol and the writer's system
        declared = pickles.read(stream)
        keys = pickles.read(stream).tree
        needed = sum(8 + storage.nbytes for storage in declared.storages)
        left = len(content) - stream.tell()
        if not isinstance(keys, list) or {storage.key for storage in declared.storages} - {
            key for key in keys if isinstance(key, str)
        }:
            raise SourceError("a tensor's numbers are not in the list of storages")
        if needed > left:
            raise SourceError("the numbers of a tensor are incomplete", expected=f"{needed} bytes", found=left)
    return declared


def _first(stream: IO[bytes]) -> Any:
    number = None
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            number = argument if opcode.name == "LONG1" else number
            if opcode.name not in ("PROTO", "LONG1", "STOP"):
                return None
    except ValueError:
        return None
    return number


def _plain(value: Any) -> Any:
    """The same tree with numpy arrays in place of tensors."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise SourceError("a tensor that is not dense", found=f"{value.layout} on {value.device}")
        dense = value.detach().resolve_conj().resolve_neg()
        array = (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
        return np.ascontiguousarray(array) if array.ndim else array
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return value.item() if isinstance(value, np.generic) else value
