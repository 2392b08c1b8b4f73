"""Convolutions of small networks: the results of torch, computed faster and without unused derivatives.

On a CPU the first convolution, of one or three channels, is faster with a matrix product of patches than with oneDNN,
which takes two to four times as long for one channel and for the gradient with respect to the images.

Gradient matching differentiates the gradients of the weights with respect to the images. torch's convolution also
computes other second derivatives, which take time and are not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from fredfmt.codec.precision import autocast_is_on

_FEW = 4
"""Channels."""
_MATCHING: ContextVar[bool] = ContextVar("matching", default=False)


@contextmanager
def matching_gradients() -> Iterator[None]:
    """Inside the block, for layers that are computed by `convolve`, gradients with ``create_graph`` are computed only
    for weights (not for biases and the input of the network), and second derivatives only for images. Attention uses
    the implementation that can be differentiated twice."""
    token = _MATCHING.set(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        _MATCHING.reset(token)


def convolve(layer: Any, images: Tensor, *, first: bool = False) -> Tensor:
    """``layer(images)``, for a convolution with a bias, a stride of one, no dilation and no groups.

    ``first``: whether ``images`` are the input of the network.
    """
    made: Tensor
    if torch.compiler.is_compiling():
        made = layer(images)
        return made
    if autocast_is_on(images.device):
        made = layer(images)
        return made
    if not _MATCHING.get() or not torch.is_grad_enabled():
        if _by_patches(images, images.requires_grad):
            size = list(layer.kernel_size)
            made = torch.ops.aten.thnn_conv2d(images, layer.weight, size, layer.bias, [1, 1], list(layer.padding))
        else:
            made = layer(images)
        return made
    made = _Convolution.apply(images, layer.weight, layer.bias, layer.padding, first)
    return made


def _by_patches(images: Tensor, in_images: bool) -> bool:
    """Whether patches are faster, for a forward pass or a gradient with respect to images (``in_images``) or
    weights."""
    plain = type(images) in (Tensor, nn.Parameter) and not torch._C._functorch.is_functorch_wrapped_tensor(images)
    few = images.ndim == 4 and images.shape[1] <= (_FEW if in_images else 1)
    return plain and few and images.device.type == "cpu" and images.dtype == torch.float32


def _forward(images: Tensor, weight: Tensor, bias: Tensor | None, padding: Any) -> Tensor:
    if _by_patches(images, False):
        made: Tensor = torch.ops.aten.thnn_conv2d(images, weight, weight.shape[2:], bias, [1, 1], padding)
        return made
    ones, zeros = [1] * len(padding), [0] * len(padding)
    return torch.convolution(images, weight, bias, ones, padding, ones, False, zeros, 1)


def _gradient(outer: Tensor, images: Tensor, weight: Tensor, padding: Any, mask: list[bool]) -> tuple[Tensor, ...]:
    """The gradients of images, weight and bias that ``mask`` selects."""
    made: tuple[Tensor, ...]
    ones, zeros = [1] * len(padding), [0] * len(padding)
    if _by_patches(images, mask[0]):
        slow = torch.ops.aten._slow_conv2d_backward.output_mask
        made = slow(outer.contiguous(), images, weight, weight.shape[2:], ones, padding, mask)
    else:
        backward, sizes = torch.ops.aten.convolution_backward, [len(weight)]
        made = backward(outer, images, weight, sizes, ones, padding, ones, False, zeros, 1, mask)
    return made


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, padding: Any, first: bool) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding, ctx.first = padding, first
        return _forward(images, weight, bias, padding)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return _gradient(outer, images, weight, ctx.padding, [True, False, False])[0], None, None, None, None
        given: tuple[Tensor | None, ...]
        given = _Backward.apply(images, weight.detach(), outer, ctx.padding, [not ctx.first, True, False])
        return (*given, None, None)


class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, outer: Tensor, padding: Any, mask: list[bool]
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(images, weight, outer)
        ctx.padding = padding
        ctx.set_materialize_grads(False)
        return _gradient(outer, images, weight, padding, mask)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, u: Tensor | None, u_weight: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        images, weight, outer = ctx.saved_tensors
        of_images, of_outer = None, None
        if u_weight is not None:
            of_images = _gradient(outer, images, u_weight, ctx.padding, [True, False, False])[0]
            of_outer = _forward(images, u_weight, None, ctx.padding)
        if u is not None:
            through = _forward(u, weight, None, ctx.padding)
            of_outer = through if of_outer is None else of_outer.add_(through)
        return of_images, None, of_outer, None, None
