"""What the exporters to ``.pt`` share: tensors of a data set, and files that are the same bytes each time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-8


def images_of(data: FreDData) -> Tensor:
    """(N, C, *spatial) float32 in the space of training, which is what these projects store."""
    from fredfmt.codec.decoder import decode

    return decode(data).contiguous()


def hard_labels(data: FreDData, *, instead: str) -> Tensor:
    """(N,) int64. Raises `ArgumentError` for soft labels, naming the form that keeps them."""
    import torch

    if data.soft:
        raise ArgumentError(
            "this form has no place for soft labels", expected="labels that are numbers", hint=f"Use --to {instead}"
        )
    return torch.from_numpy(data.labels.astype(np.int64))


def logits(data: FreDData) -> Tensor:
    """(N, class) float32 whose softmax are the soft labels: logarithms, of at least 1e-8."""
    import torch

    return torch.from_numpy(np.log(np.maximum(data.labels.astype(np.float64), _LEAST)).astype(np.float32))


def learning_rate(data: FreDData) -> float | None:
    """The learning rate of the file's recipe, if it has one."""
    rate = data.metadata.recipe.get("lr")
    return float(rate) if isinstance(rate, int | float) else None


def save_torch(value: Any, path: Path) -> None:
    """``torch.save``, without the path in the file, so that the same value is the same bytes under any name."""
    import torch

    stream = io.BytesIO()
    torch.save(value, stream)
    path.write_bytes(stream.getvalue())
