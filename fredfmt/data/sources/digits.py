"""The handwritten digits that are part of the package: 8x8 pixels, in .fred files without loss."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from fredfmt.codec.views import channel_normalization
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.storage.files import load


def open_digits(request: Request) -> Source:
    """UCI's optical recognition of handwritten digits: 1297 images to train on and 500 to test on.

    These are the 1797 images of the original *test* set, written by 13 people, none of whom is in the original training
    set. Here the last 50 of each class are the test split (``tools/make_digits.py`` made the files).
    """
    folder = files("fredfmt.data.sources") / "data"
    images = {}
    for split in {"train", request.split}:
        with (folder / f"digits-{split}.fred").open("rb") as stream:
            data = load(stream)
        pixels = np.empty(data.coefficients.shape, np.float32)
        frequencies = data.frequencies[data.mask_of].astype(np.intp)[:, None]
        np.put_along_axis(pixels, frequencies, data.coefficients * np.float32(data.step), axis=2)
        images[split] = pixels.reshape(len(data), data.metadata.channels, *data.metadata.spatial_shape)
        if split == request.split:
            labels, metadata = data.labels.astype(np.int64), data.metadata
    request.check_shape(metadata.spatial_shape)
    return Source(
        name=request.name,
        split=request.split,
        images=images[request.split],
        labels=labels,
        classes=metadata.classes,
        normalization=channel_normalization(images["train"]),
        license=metadata.license,
        url=metadata.source["url"],
        citation=metadata.citation,
        selection=metadata.source["selection"],
    )
