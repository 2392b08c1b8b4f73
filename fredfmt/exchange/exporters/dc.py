"""``res_*.pt``, the form of DC, DSA and DM."""

from __future__ import annotations

from pathlib import Path

from fredfmt.exchange.exporters.torch_files import hard_labels, images_of, save_torch
from fredfmt.model.data import FreDData


def dc(data: FreDData, path: Path) -> None:
    """``{"data": [[images, labels]], "accs_all_exps": {}}``: one experiment, images in the space of training.

    Raises `ArgumentError` for soft labels.
    """
    labels = hard_labels(data, instead="mtt")
    save_torch({"data": [[images_of(data), labels]], "accs_all_exps": {}}, path)
