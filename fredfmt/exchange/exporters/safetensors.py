"""One ``.safetensors`` file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fredfmt.model.data import FreDData


def safetensors(data: FreDData, path: Path) -> None:
    """``images`` (N, C, *spatial) float32, clipped to 0..1, and ``labels``: int64, or float32 rows.

    The header's ``__metadata__`` holds the class names (as JSON), the space and, if known, the licence.
    """
    from fredfmt.codec.decoding import decode

    images = decode(data, normalized=False).numpy()
    labels = data.labels.astype(np.float32 if data.soft else np.int64)
    facts = {"class_names": json.dumps(list(data.metadata.classes)), "space": "0..1", "writer": "fredfmt"}
    if data.metadata.license:
        facts["license"] = data.metadata.license
    header: dict[str, object] = {"__metadata__": facts}
    start = 0
    for name, array in (("images", images), ("labels", labels)):
        dtype = {"<f4": "F32", "<i8": "I64"}[array.dtype.newbyteorder("<").str]
        place = [start, start + array.nbytes]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": place}
        start += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in (images, labels):
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
