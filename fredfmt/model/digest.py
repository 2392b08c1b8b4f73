"""Digests: 32 bytes that identify the content of a dataset, independent of container and compression."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.model.data import ARRAYS, FreDData
from fredfmt.model.documents import canonical
from fredfmt.model.mapped import pieces
from fredfmt.model.parts import DIGEST


def digest_of_data(data: FreDData) -> str:
    """The content digest: sha256 over a line ``name dtype shape`` and the little-endian bytes of each part, in order.

    Integers are widened to 32 bits and floats to float32 (metadata: float64), which changes no value.
    """
    meta = data.metadata
    parts: list[tuple[str, NDArray[Any]]] = []
    parts.append(("spatial_shape", np.array(meta.spatial_shape, "<u4")))
    parts.append(("transform", _text(meta.transform)))
    parts.append(("quantization.mode", _text(meta.quantization.mode)))
    parts.append(("quantization.step", np.array([data.step], "<f8")))
    if meta.normalization is not None:
        parts.append(("normalization.mean", np.array(meta.normalization.mean, "<f8")))
        parts.append(("normalization.std", np.array(meta.normalization.std, "<f8")))
    if meta.whitening is not None:
        parts.append(("whitening.method", _text(meta.whitening.method)))
        parts.append(("whitening.epsilon", np.array([meta.whitening.epsilon], "<f8")))
        parts.append(("whitening.images", _text(meta.whitening.images or "")))
    if meta.channel_transform is not None:
        parts.append(("channel_transform", _text(meta.channel_transform)))
    parts += [("class", _text(name)) for name in meta.classes]
    state = hashlib.sha256()
    for name in ARRAYS:
        if (array := getattr(data, name)) is not None:
            _add(state, name, array, {"i": "<i4", "u": "<u4", "f": "<f4"}[array.dtype.kind])
    for name, array in parts:
        if array.size:
            _add(state, name, array, array.dtype.str)
    return f"sha256:{state.hexdigest()}"


def check_spelling(expected: str | None) -> None:
    """Raise `ArgumentError` if an expected digest does not have the form of a digest."""
    if expected is not None and not (isinstance(expected, str) and DIGEST.fullmatch(expected)):
        rule = "sha256: and 64 lower-case hexadecimal digits"
        raise ArgumentError("not a digest", where="expected_digest", expected=rule, found=expected)


def digest_of_document(document: dict[str, Any]) -> str:
    """The metadata digest: sha256 over the canonical JSON of the document without ``integrity.metadata`` itself."""
    integrity = {key: value for key, value in document["integrity"].items() if key != "metadata"}
    return f"sha256:{hashlib.sha256(canonical({**document, 'integrity': integrity})).hexdigest()}"


def _add(state: Any, name: str, array: NDArray[Any], dtype: str) -> None:
    """Hash one part in blocks, converted to ``dtype``."""
    state.update(f"{name} {dtype[1:]} {'x'.join(map(str, array.shape))}\n".encode())
    for part in pieces(array):
        state.update(part.astype(dtype, copy=False).data)


def _text(value: str) -> NDArray[Any]:
    return np.frombuffer(value.encode(), "<u1")
