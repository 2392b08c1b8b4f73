"""Instance norm, ReLU and average pooling by two in a single operation.

On a CPU these take most of the time of a small network if each passes over memory separately. Compiled loops
(`_block.c`, if the installation found a C compiler) process each plane in the innermost cache; otherwise torch's
operations are used.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fredfmt.storage.compiled import load_compiled

_FLOATS_A_THREAD = 32768
"""The smallest number of floats per thread for which threads are used."""
_NUMBERS = ("planes", "channels", "height", "width")
_POINTERS = ("weight", "bias", "mean", "inverse", "scratch")


class _Block(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_int64) for name in _NUMBERS), *((name, ctypes.c_void_p) for name in _POINTERS)]


_pointer, _described = ctypes.c_void_p, ctypes.POINTER(_Block)
_FUNCTIONS = {
    "fredfmt_block_forward": (None, (_described, _pointer, ctypes.c_double, _pointer, ctypes.c_int)),
    "fredfmt_block_backward": (None, (_described, *(_pointer,) * 5, ctypes.c_int)),
    "fredfmt_block_twice": (None, (_described, *(_pointer,) * 8, ctypes.c_int)),
}
LIBRARY = load_compiled("fredfmt.distill.networks._block", _FUNCTIONS).library


def norm_relu_pool(images: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(N, C, H, W) to (N, C, H // 2, W // 2): ``avg_pool2d(relu(group_norm(images, C, weight, bias, eps)), 2)``.

    Differentiable twice (with torch's operations, any number of times).
    """
    if _can_fuse(images, weight, bias):
        made: Tensor = _Fused.apply(images, weight, bias, eps)
        return made
    return F.avg_pool2d(F.relu(F.group_norm(images, images.shape[1], weight, bias, eps)), 2)


def _can_fuse(*tensors: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and LIBRARY is not None
        and tensors[0].numel() > 0
        and all(
            tensor.device.type == "cpu"
            and tensor.dtype == torch.float32
            and type(tensor) in (Tensor, torch.nn.Parameter)
            and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
            for tensor in tensors
        )
        and not torch.is_autocast_enabled("cpu")
        and torch.autograd.forward_ad._current_level < 0
    )


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        images, weight, bias = images.contiguous(), weight.contiguous(), bias.contiguous()
        count, channels, height, width = images.shape
        made = images.new_empty(count, channels, height // 2, width // 2)
        moments = images.new_empty(2, count * channels)
        block, threads, _scratch = _block(images, weight, bias, moments)
        _loops().fredfmt_block_forward(block, images.data_ptr(), eps, made.data_ptr(), threads)
        ctx.save_for_backward(images, weight, bias, moments)
        return made

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, moments = ctx.saved_tensors
        given: tuple[Tensor, ...] = _Backward.apply(images, weight, bias, moments, outer)
        return (*given, None)


class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, moments: Tensor, outer: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        outer = outer.contiguous()
        of_images = torch.empty_like(images)
        of_weight, of_bias = (images.new_empty(images.shape[:2]) for _ in range(2))
        block, threads, _scratch = _block(images, weight, bias, moments)
        made = (of_images, of_weight, of_bias)
        pointers = (tensor.data_ptr() for tensor in (images, outer, *made))
        _loops().fredfmt_block_backward(block, *pointers, threads)
        ctx.save_for_backward(images, weight, bias, moments, outer)
        return of_images, of_weight.sum(0), of_bias.sum(0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, u: Tensor, u_weight: Tensor, u_bias: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, moments, outer = ctx.saved_tensors
        u, u_weight, u_bias = u.contiguous(), u_weight.contiguous(), u_bias.contiguous()
        of_images, of_outer = torch.empty_like(images), torch.empty_like(outer)
        of_weight = images.new_empty(images.shape[:2])
        block, threads, _scratch = _block(images, weight, bias, moments)
        tensors = (images, outer, u, u_weight, u_bias, of_images, of_outer, of_weight)
        _loops().fredfmt_block_twice(block, *(tensor.data_ptr() for tensor in tensors), threads)
        return of_images, of_weight.sum(0), None, None, of_outer


def _block(images: Tensor, weight: Tensor, bias: Tensor, moments: Tensor) -> tuple[Any, int, Tensor]:
    """The arguments of the loops, the number of threads, and memory that must outlive the call."""
    count, channels, height, width = images.shape
    threads = torch.get_num_threads()
    if images.numel() < threads * _FLOATS_A_THREAD:  # all of torch's threads or none: OpenMP starts new ones
        threads = 1
    scratch = images.new_empty(threads, height * width)
    pointers = (tensor.data_ptr() for tensor in (weight, bias, moments[0], moments[1], scratch))
    return ctypes.byref(_Block(count * channels, channels, height, width, *pointers)), threads, scratch


def _loops() -> ctypes.CDLL:
    assert LIBRARY is not None
    return LIBRARY
