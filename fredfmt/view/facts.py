"""Describes the content of a file as JSON values, for people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from fredfmt.model.data import ARRAYS, FreDData
from fredfmt.model.distillation import by_name
from fredfmt.model.typed import thawed
from fredfmt.storage.ledger import ledger

_BETWEEN_KEPT = 0.7
"""The share of the variance between classes below which a warning is given."""


def describe(data: FreDData, *, file: str | None = None) -> dict[str, Any]:
    """The arrays, the bytes of each part, the metadata, all settings of the distillation, and warnings.

    The bytes are those of ``file``, the path or address from which the data were loaded; None: those of the ``.fred``
    file that `fredfmt.save` would write.

    >>> import numpy as np
    >>> from fredfmt import encode
    >>> data = encode(np.zeros((6, 1, 4, 5), "f4"), [0, 0, 1, 1, 1, 1], k=3, mask="low")
    >>> facts = describe(data)
    >>> facts["data"]["shape"], facts["data"]["instances_per_class"], facts["warnings"]
    ([1, 4, 5], [2, 4], [])
    """
    account, meta = ledger(data, file=file), data.metadata
    arrays = {name: getattr(data, name) for name in ARRAYS}
    together = np.unique(data.frequencies)
    counts = np.bincount(data.hard_labels, minlength=len(meta.classes))
    return {
        "data": {
            "instances": len(data),
            "shape": [meta.channels, *meta.spatial_shape],
            "classes": len(meta.classes),
            "instances_per_class": [int(counts.min()), int(counts.max())],
            "labels": "soft" if data.soft else "hard",
            "transform": meta.transforms,
            "k": data.k,
            "masks": len(data.frequencies),
            "frequencies_used_by_any_mask": len(together),
            "stored_as": f"step {meta.quantization.step:g}" if meta.quantization.step else meta.quantization.mode,
            "arrays": {
                name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items() if array is not None
            },
        },
        "bytes": {
            **{
                key: value
                for key, value in asdict(account).items()
                if key in ("coefficients", "frequencies", "labels", "base", "metadata", "container", "memory")
            },
            "total": account.total,
            "bits_per_class": round(account.bits_per_class, 1),
            "ipc": round(account.ipc, 4),
        },
        "metadata": meta.to_json(),
        "settings": by_name(thawed(meta.distillation)),
        "warnings": warnings_of(data),
    }


def warnings_of(data: FreDData) -> list[str]:
    """Warnings for anyone who trains on the data."""
    warnings = []
    if data.metadata.whitening is not None:
        warnings.append(
            "the images are whitened (ZCA): networks that are trained on them need test images whitened with the"
            " same matrix"
        )
    kept = data.metadata.mask.get("between_kept")
    if isinstance(kept, int | float) and kept < _BETWEEN_KEPT and len(data.metadata.classes) > 1:
        text = (
            f"the masks omit {1 - kept:.0%} of the variance between classes, so networks may not distinguish them;"
            " explained variance ignores patterns that are constant within a class: try --mask fisher or amplitude,"
            " or a larger k"
        )
        warnings.append(text)
    return warnings
