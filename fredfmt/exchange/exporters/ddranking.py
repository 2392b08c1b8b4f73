"""The arguments of DD-Ranking's ``compute_metrics`` (``image_tensor``, labels and ``syn_lr``) in three files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fredfmt.errors import ArgumentError
from fredfmt.exchange.exporters.torch_files import hard_labels, images_of, learning_rate, logits, save_torch
from fredfmt.model.data import FreDData


def ddranking(data: FreDData, path: Path) -> None:
    """``images.pt`` class by class in the space of training, ``labels.pt``, and ``lr.pt`` if the file has a learning
    rate.

    DD-Ranking derives hard labels from the order, so every class must have the same number of instances. Soft labels
    are stored as logits, whose softmax at temperature 1 gives them back. DD-Ranking must normalise the real data as
    those of this file were. Raises `ArgumentError` for classes of unequal size.
    """
    import torch

    hard = data.hard_labels
    counts = np.bincount(hard, minlength=len(data.metadata.classes))
    if counts.min() != counts.max():
        raise ArgumentError(
            "DD-Ranking needs the same number of images of each class",
            expected=int(counts.max()),
            found=f"{int(counts.min())} of class {int(counts.argmin())}",
        )
    order = torch.from_numpy(np.argsort(hard, kind="stable"))
    labels = logits(data) if data.soft else hard_labels(data, instead="ddranking")
    path.mkdir()
    save_torch(images_of(data)[order].contiguous(), path / "images.pt")
    save_torch(labels[order].contiguous(), path / "labels.pt")
    if (rate := learning_rate(data)) is not None:
        save_torch(torch.tensor(rate), path / "lr.pt")
