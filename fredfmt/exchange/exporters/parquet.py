"""One Parquet file, which the Hugging Face viewer can show and `datasets` loads with its features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fredfmt.errors import ArgumentError
from fredfmt.exchange.exporters.pictures import pictures, png_bytes
from fredfmt.model.data import FreDData


def parquet(data: FreDData, path: Path) -> None:
    """Columns ``image`` (PNG bytes and a name) and ``label``; soft labels in a third, ``probabilities``.

    The schema declares an ``Image`` and a ``ClassLabel`` with the class names. Images are clipped to 0..1
    and rounded to 8 bits. Needs the package ``pyarrow``; raises `ArgumentError` without it, and for data that are not
    images of 1 or 3 channels.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet
    except ImportError:
        raise ArgumentError("writing Parquet needs pyarrow", hint="pip install pyarrow") from None
    files = [{"bytes": png_bytes(image), "path": f"{instance:06}.png"} for instance, image in enumerate(pictures(data))]
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(data.metadata.classes), "_type": "ClassLabel"},
    }
    columns = {
        "image": arrow.array(files, arrow.struct({"bytes": arrow.binary(), "path": arrow.string()})),
        "label": arrow.array(data.hard_labels, arrow.int64()),
    }
    if data.soft:
        features["probabilities"] = {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"}
        columns["probabilities"] = arrow.array(data.labels.tolist(), arrow.list_(arrow.float32()))
    table = arrow.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, path, compression="zstd", row_group_size=1000)
