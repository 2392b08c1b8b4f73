"""What an objective keeps from one iteration to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Remembering:
    """What an objective inherits that has something of its own from one iteration to the next: parameters that it
    learns beside the coefficients, networks in training. What `state` leaves out, checkpoints leave out."""

    learns_labels = False
    """Whether its losses have a gradient to the labels."""

    def settings(self) -> dict[str, Any]:
        """Fields of `DistillConfig` to stand in files and checkpoints otherwise than they were given."""
        return {}

    def learned(self, device: torch.device) -> list[dict[str, Any]]:
        """Groups of parameters on the device for the run's optimiser, each ``{"params": [...], "lr": ...}``."""
        return []

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on, by name."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, before the first iteration."""

    def recipe(self) -> dict[str, Any]:
        """What was learnt of how to train on the data, for ``Metadata.recipe``; else empty."""
        return {}
