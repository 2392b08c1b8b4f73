"""Full precision inside `torch.autocast`: autocast is meant for networks, not for the images that they read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

Linear = Callable[[Tensor], Tensor]


def autocast_is_on(device: torch.device) -> bool:
    """Whether `torch.autocast` is on for devices of this kind.

    >>> with torch.autocast("cpu"):
    ...     autocast_is_on(torch.device("cpu"))
    True
    """
    return device.type != "meta" and torch.is_autocast_enabled(device.type)  # the meta device has no autocast


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context in which autocast is off on ``device``.

    >>> with torch.autocast("cpu"), full_precision(torch.device("cpu")):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    return torch.autocast(device.type, enabled=False) if autocast_is_on(device) else nullcontext()


def exactly(make: Linear, values: Tensor) -> Tensor:
    """``make(values)`` for a linear function, outside autocast, as are its derivatives, wherever they are computed."""
    if not autocast_is_on(values.device):
        return make(values)
    if not is_plain(values):
        with full_precision(values.device):
            return make(values)
    made: Tensor = _Exact.apply(values, make)
    return made


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor has actual values, that is, it is not traced, vectorised, fake or wrapped in another way."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


class _Exact(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, make: Linear) -> Tensor:
        ctx.make, ctx.shape = make, values.shape
        with full_precision(values.device):
            return make(values)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None]:
        adjoint: Tensor = _Adjoint.apply(outer, ctx.make, ctx.shape)
        return adjoint, None


class _Adjoint(torch.autograd.Function):
    """The transpose of a linear function, by autograd. It is linear, too, and its transpose is the function."""

    @staticmethod
    def forward(ctx: Any, outer: Tensor, make: Linear, shape: torch.Size) -> Tensor:
        ctx.make = make
        with full_precision(outer.device), torch.enable_grad():
            values = outer.new_zeros(shape).requires_grad_()
            return torch.autograd.grad(make(values), values, outer)[0]

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        made: Tensor = _Exact.apply(outer, ctx.make)
        return made, None, None
