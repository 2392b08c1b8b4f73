"""A loss that is a sum over classes, part by part: images and a function in, the sum out, differentiable once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

_IMAGES = 32
"""A CPU is quickest when what a network makes of a part stays in its caches."""


def groups(counts: Sequence[int], device: torch.device) -> list[slice]:
    """Neighbouring classes, of ``counts`` images each, that go through a network together: on an accelerator all of
    them, on a CPU as many as have a few dozen images."""
    if device.type != "cpu":
        return [slice(0, len(counts))]
    starts, together = [0], 0
    for place, count in enumerate(counts):
        if together and together + count > _IMAGES:
            starts.append(place)
            together = 0
        together += count
    return [slice(*ends) for ends in pairwise([*starts, len(counts)])]


def rows_of(counts: Sequence[int], group: slice) -> slice:
    """The images of a group, where classes of ``counts`` images lie one after the other."""
    return slice(sum(counts[: group.start]), sum(counts[: group.stop]))


def summed(
    images: Tensor, parts: Sequence[slice], loss: Callable[[Tensor, int], Tensor], scale: Tensor | None = None
) -> Tensor:
    """The sum of ``loss(images[part], number of the part)``.

    The gradient of each part is taken at once, so that memory holds the graph of one part at a time. ``scale`` is what
    the sum will be multiplied by before its backward pass, where that keeps half precision from underflow.
    """
    if not (images.requires_grad and torch.is_grad_enabled()):
        return torch.stack([loss(images[part], number) for number, part in enumerate(parts)]).sum()
    return _Sum.apply(images, parts, loss, scale)  # type: ignore[no-any-return]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, parts: Sequence[slice], loss: Any, scale: Tensor | None) -> Tensor:
        gradient, values = torch.zeros_like(images), []
        for number, part in enumerate(parts):
            with torch.enable_grad():
                leaf = images[part].detach().requires_grad_()
                value = loss(leaf, number)
                scaled = value if scale is None else value * scale
            (gradient[part],) = torch.autograd.grad(scaled, leaf)
            values.append(value.detach())
        ctx.save_for_backward(gradient)
        ctx.scale = scale
        return torch.stack(values).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (outer if ctx.scale is None else outer / ctx.scale), None, None, None
