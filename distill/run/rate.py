"""The weight of the bits in the loss: fixed, or controlled so that the file has the size of the budget."""

from __future__ import annotations

import math

from torch import Tensor

from fredfmt.codec.spectra import row_blocks
from fredfmt.distill.settings.layout import BudgetSettings

EVERY = 20
"""Iterations between two measurements of the size of the file."""
_GAIN, _AHEAD = 1.0, 3
"""The change of the log weight per log ratio of size and budget, and the number of measurements for which the trend of
the size is extrapolated. The file stores a running mean, so its size reacts to the weight with a delay, and would
oscillate without extrapolation."""
_FIRST = 3.0
_LEAST, _MOST = 1e-3, 20.0


class Rate:
    """The weight of the mean bits of a coefficient, estimated as ``log2(1 + |value| / step)``.

    >>> from fredfmt.distill.settings.layout import BudgetSettings
    >>> rate = Rate(BudgetSettings(rate="auto", max_bytes=1000))
    >>> before = rate.weight
    >>> rate.steer(1200)
    >>> rate.weight > before
    True
    """

    def __init__(self, budget: BudgetSettings) -> None:
        self._budget = budget
        self.weight: float = _FIRST if budget.rate == "auto" else float(budget.rate)
        self.size = 0
        """The size at the last measurement; 0 before the first."""

    def steer(self, size: int) -> None:
        """Adapt the weight to the current size of the file in bytes."""
        off = math.log(size / float(self._budget.max_bytes or size))
        trend = math.log(size / self.size) if self.size else 0.0
        self.weight = min(_MOST, max(_LEAST, self.weight * math.exp(_GAIN * (off + _AHEAD * trend))))
        self.size = size

    def add_gradient(self, coefficients: Tensor, scale: float = 1.0) -> None:
        """Add the gradient of the weighted bits, times ``scale``, to that of the coefficients, if there is one."""
        if not self.weight or coefficients.grad is None:
            return
        values, gradient = coefficients.detach(), coefficients.grad
        share = self.weight * scale / values.numel()
        for rows in row_blocks(values) if values.device.type == "cpu" else [slice(None)]:
            block = values[rows]
            slope = block.sign() / (block.abs() + self._budget.number) / math.log(2)
            gradient[rows].add_(slope, alpha=share)
