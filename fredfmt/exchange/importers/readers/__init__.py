"""Reads untrusted files as plain values (dicts, lists, numbers, numpy arrays) without executing code.

A reader is a function ``(content, limits) -> value``. All declared sizes are checked before memory is allocated. To add
one, add a module to this package and a line to `READERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fredfmt.errors import SourceError
from fredfmt.exchange.importers.readers.flax_file import read_flax
from fredfmt.exchange.importers.readers.hdf5_file import read_hdf5
from fredfmt.exchange.importers.readers.numpy_file import read_npy, read_npz
from fredfmt.exchange.importers.readers.safetensors_file import read_safetensors
from fredfmt.exchange.importers.readers.torch_file import read_torch
from fredfmt.model.limits import Limits

READERS: Mapping[str, Callable[[bytes, Limits], Any]] = MappingProxyType(
    {
        "torch": read_torch,
        "npz": read_npz,
        "npy": read_npy,
        "hdf5": read_hdf5,
        "safetensors": read_safetensors,
        "flax": read_flax,
    }
)

_STORED = re.compile(r".*\.(pt|pth|npz|npy|h5|hdf5|safetensors)|checkpoint_[0-9]+")

__all__ = ["READERS", "form_of", "is_stored"]


def is_stored(name: str) -> bool:
    """Whether the suffix of a file is one that a reader here supports."""
    return _STORED.fullmatch(name) is not None


def form_of(content: bytes, name: str) -> str:
    """The key in `READERS` for a file, by its first bytes. Raises `SourceError` for other bytes."""
    if content[:4] == b"PK\x03\x04":
        return "npz" if name.endswith(".npz") else "torch"
    if content[:6] == b"\x93NUMPY":
        return "npy"
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    if content[:3] == b"\x80\x02\x8a":  # a pickle of protocol 2 that begins with torch's magic number
        return "torch"
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8:
        return "safetensors"
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise SourceError(
            "a plain pickle, which can execute any code when it is loaded",
            expected="tensors saved by torch.save, or arrays in an .npz",
            hint="If you trust it, load it and save its arrays with numpy.savez",
        )
    if content[:1] and (0x80 <= content[0] <= 0x8F or content[0] in (0xDE, 0xDF)):  # a msgpack map
        return "flax"
    raise SourceError(
        "this kind of file cannot be imported",
        expected="a .pt, .npz, .npy, .h5, .safetensors or flax checkpoint file, or a folder of images",
        found=f"{len(content)} bytes beginning {content[:8]!r}",
    )
