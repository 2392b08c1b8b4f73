"""Tensors of a dataset and reproducible files, for the exporters to ``.pt``."""

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
    """(N, C, *spatial) float32 images in the space of training, as these projects store them."""
    from fredfmt.codec.decoding import decode

    return decode(data).contiguous()


def hard_labels(data: FreDData, *, instead: str) -> Tensor:
    """(N,) int64 labels. Raises `ArgumentError` for soft labels; the message names a form that keeps them."""
    import torch

    if data.soft:
        raise ArgumentError(
            "this form cannot represent soft labels", expected="hard labels", hint=f"Use --to {instead}"
        )
    return torch.from_numpy(data.labels.astype(np.int64))


def logits(data: FreDData) -> Tensor:
    """(N, class) float32 logits whose softmax gives the soft labels: logarithms of the probabilities, clipped below at
    1e-8."""
    import torch

    return torch.from_numpy(np.log(np.maximum(data.labels.astype(np.float64), _LEAST)).astype(np.float32))


def learning_rate(data: FreDData) -> float | None:
    """The learning rate of the file's recipe, if it has one."""
    rate = data.metadata.recipe.get("lr")
    return float(rate) if isinstance(rate, int | float) else None


def save_torch(value: Any, path: Path) -> None:
    """``torch.save`` without the path in the file, so that the same value gives the same bytes under any name."""
    import torch

    stream = io.BytesIO()
    torch.save(value, stream)
    path.write_bytes(stream.getvalue())
