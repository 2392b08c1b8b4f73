"""A folder in the form of MTT, TESLA and FTD, or of DATM for soft labels."""

from __future__ import annotations

from pathlib import Path

from fredfmt.errors import ArgumentError
from fredfmt.exchange.exporters.torch_files import hard_labels, images_of, learning_rate, logits, save_torch
from fredfmt.model.data import FreDData


def mtt(data: FreDData, path: Path) -> None:
    """``images_best.pt``, ``labels_best.pt`` and, if the file's recipe has a learning rate, ``lr_best.pt``.

    Images are in the space of training. Soft labels are stored as logits, as DATM reads them. DATM also needs the
    learning rate; raises `ArgumentError` for soft labels without one.
    """
    import torch

    rate = learning_rate(data)
    if data.soft and rate is None:
        raise ArgumentError(
            "this form needs a learning rate for soft labels",
            where="recipe.lr",
            expected="a number",
            hint="Use --to ddranking, or write the file with recipe={'lr': ...}",
        )
    path.mkdir()
    save_torch(images_of(data), path / "images_best.pt")
    save_torch(logits(data) if data.soft else hard_labels(data, instead="mtt"), path / "labels_best.pt")
    if rate is not None:
        save_torch(torch.tensor(rate), path / "lr_best.pt")
