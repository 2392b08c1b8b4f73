"""One NumPy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fredfmt.model.data import FreDData


def npz(data: FreDData, path: Path) -> None:
    """``images`` (N, C, *spatial) float32, clipped to 0..1, ``labels``, ``class_names`` and ``space``.

    `fredfmt.data.sources` reads it back as ``npz:PATH``.
    """
    from fredfmt.codec.decoding import decode

    images = decode(data, normalized=False).numpy()
    labels = data.labels if data.soft else data.labels.astype(np.int64)
    with open(path, "xb") as file:
        np.savez(
            file, images=images, labels=labels, class_names=np.array(data.metadata.classes), space=np.array("0..1")
        )
