"""One tar file in the form of WebDataset."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from fredfmt.exchange.exporters.pictures import pictures, png_bytes
from fredfmt.model.data import FreDData


def webdataset(data: FreDData, path: Path) -> None:
    """``000000.png``, ``000000.cls`` (the class's number) and ``000000.json`` (its name, and soft labels) for each
    instance.

    The same data always give the same bytes, because times and owners are not stored. Raises `ArgumentError` for data
    that are not images of 1 or 3 channels.
    """
    images = pictures(data)
    with tarfile.open(path, "x", format=tarfile.USTAR_FORMAT) as archive:
        for instance, (image, label) in enumerate(zip(images, data.hard_labels, strict=True)):
            facts: dict[str, object] = {"class": data.metadata.classes[label]}
            if data.soft:
                facts["probabilities"] = [float(share) for share in data.labels[instance]]
            contents = {"cls": str(label).encode(), "json": json.dumps(facts).encode(), "png": png_bytes(image)}
            for suffix, content in contents.items():
                entry = tarfile.TarInfo(f"{instance:06}.{suffix}")
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
