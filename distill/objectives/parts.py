"""Computes losses part by part, so that only the graph of one part is in memory at a time: `summed` for a loss that is
a sum over parts, `remade` for intermediate results of a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from fredfmt.distill.networks.room import QUICKEST


def groups(counts: Sequence[int], device: torch.device, most: int = 1 << 62) -> list[slice]:
    """Groups of consecutive classes, of ``counts`` images each, that a network processes together: on an accelerator
    all of them, on a CPU as many as have a few dozen images. A group has at most ``most`` images, or one class."""
    limit = min(most, QUICKEST) if device.type == "cpu" else most
    starts, together = [0], 0
    for place, count in enumerate(counts):
        if together and together + count > limit:
            starts.append(place)
            together = 0
        together += count
    return [slice(*ends) for ends in pairwise([*starts, len(counts)])]


def rows_of(counts: Sequence[int], group: slice) -> slice:
    """The images of a group of classes, if classes of ``counts`` images follow each other."""
    return slice(sum(counts[: group.start]), sum(counts[: group.stop]))


def summed(
    values: Tensor, parts: Sequence[slice], loss: Callable[[Tensor, int], Tensor], scale: Tensor | None = None
) -> Tensor:
    """The sum of ``loss(values[part], number of the part)``, differentiable once.

    The gradient of each part is computed immediately, so that only the graph of one part is in memory at a time.
    ``scale`` is the factor by which the sum will be multiplied before its backward pass, to prevent underflow in half
    precision.

    >>> values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> total = summed(values, [slice(0, 2), slice(2, 3)], lambda part, number: (part * (number + 1)).square().sum())
    >>> total.backward()
    >>> total.item(), values.grad
    (41.0, tensor([ 2.,  4., 24.]))
    """
    if not (values.requires_grad and torch.is_grad_enabled()):
        return torch.stack([loss(values[part], number) for number, part in enumerate(parts)]).sum()
    return _Sum.apply(values, parts, loss, scale)  # type: ignore[no-any-return]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, parts: Sequence[slice], loss: Any, scale: Tensor | None) -> Tensor:
        gradient, losses = torch.zeros_like(values), []
        for number, part in enumerate(parts):
            with torch.enable_grad():
                leaf = values[part].detach().requires_grad_()
                value = loss(leaf, number)
                scaled = value if scale is None else value * scale
            (gradient[part],) = torch.autograd.grad(scaled, leaf)
            losses.append(value.detach())
        ctx.save_for_backward(gradient)
        ctx.scale = scale
        return torch.stack(losses).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (outer if ctx.scale is None else outer / ctx.scale), None, None, None


def remade(
    values: Tensor, parts: Sequence[slice], function: Callable[[Tensor, slice], tuple[Tensor, ...]]
) -> list[tuple[Tensor, ...]]:
    """The results of ``function(values[part], part)`` for each part, differentiable once.

    With several parts no graph is kept: the backward pass computes each part again, with the same random draws
    (activation checkpointing).

    >>> values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (first,), (second,) = remade(values, [slice(0, 2), slice(2, 3)], lambda part, where: (part.square().sum(),))
    >>> (first * second).backward()
    >>> values.grad
    tensor([18., 36., 30.])
    """
    if len(parts) == 1 or not (values.requires_grad and torch.is_grad_enabled()):
        return [function(values[part], part) for part in parts]
    return [_Remade.apply(values[part], part, function) for part in parts]


class _Remade(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, part: slice, function: Any) -> tuple[Tensor, ...]:
        ctx.save_for_backward(values)
        ctx.part, ctx.function = part, function
        ctx.devices = [values.device.index] if values.device.type == "cuda" else []
        ctx.chance = torch.get_rng_state(), *map(torch.cuda.get_rng_state, ctx.devices)
        with torch.enable_grad():  # the function may compute gradients itself
            return tuple(made.detach() for made in function(values.detach(), part))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None]:
        (values,) = ctx.saved_tensors
        with torch.random.fork_rng(ctx.devices):
            for restore, state in zip((torch.set_rng_state, torch.cuda.set_rng_state), ctx.chance, strict=False):
                restore(state)
            with torch.enable_grad():
                leaf = values.detach().requires_grad_()
                made = ctx.function(leaf, ctx.part)
            (gradient,) = torch.autograd.grad(made, leaf, outer)
        return gradient, None, None
