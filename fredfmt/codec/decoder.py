"""`Decoder`, which decodes tensors of coefficients to images.

``x = sum over kept frequencies of (coefficient + base) * step * basis image``, the inverse of an orthonormal transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.devices import usable_device
from fredfmt.codec.gate import Choice, choose
from fredfmt.codec.gpu import TritonPlanes, planes_on
from fredfmt.codec.planes import Planes
from fredfmt.codec.precision import exactly, is_plain
from fredfmt.codec.synthesis import Synthesis, fastest
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import is_integer, lengths_of
from fredfmt.model.data import FreDData
from fredfmt.transforms import synthesis_matrix

SCRATCH_BYTES = 4 << 20
"""Bytes of intermediate results per block of images, few enough to stay in the processor's cache."""


class Decoder:
    """Decodes coefficients of a fixed set of masks; the basis is computed once, here.

    Parameters
    ----------
    frequencies
        (mask, frequency) flat indices into ``spatial_shape``, as in `FreDData`.
    spatial_shape, transform
        Lengths of the 1, 2 or 3 axes and a name in `fredfmt.transforms.TRANSFORMS`.
    step
        Factor of the coefficients, which is folded into the basis.
    base
        (mask, channel, frequency) in the coefficients' units, added to every instance of a mask.
    channel_matrix
        (image channel, channel) matrix by which the channels of the coefficients are multiplied.
    size
        Lengths of the grid to decode on (an integer: the same for every axis), for finer or coarser images (``dct``
        only). None: ``spatial_shape``.
    k
        Use only the ``k`` coarsest frequencies of each mask.
    device, dtype
        Device and floating point type of the images. Half precision is computed in float32 and rounded.

    Raises
    ------
    ArgumentError
        For a size or k that the masks or the transform do not support.

    Examples
    --------
    Two masks of three frequencies each, a batch that uses both, and an image at twice the size:

    >>> masks = np.array([[0, 1, 4], [0, 4, 8]], np.uint16)
    >>> decoder = Decoder(masks, spatial_shape=(3, 4), transform="dct", step=0.5)
    >>> coefficients = torch.tensor([[[4, 0, 0]], [[8, -2, 1]]], dtype=torch.int16)
    >>> images = decoder(coefficients, torch.tensor([0, 1]))
    >>> images.shape, round(images[0].mean().item(), 4)  # 4 * 0.5 / sqrt(3 * 4)
    (torch.Size([2, 1, 3, 4]), 0.5774)
    >>> Decoder(masks, (3, 4), "dct", step=0.5, size=(6, 8))(coefficients[1:], 1).shape
    torch.Size([1, 1, 6, 8])
    """

    def __init__(
        self,
        frequencies: NDArray[Any],
        spatial_shape: Sequence[int],
        transform: str,
        *,
        step: float = 1.0,
        base: NDArray[Any] | None = None,
        channel_matrix: NDArray[np.float64] | None = None,
        size: Sequence[int] | int | None = None,
        k: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = tuple(spatial_shape)
        self.size = shape if size is None else lengths_of("size", size, len(shape))
        most = frequencies.shape[1]
        if k is not None and not (is_integer(k) and 1 <= k <= most):
            raise ArgumentError("k is out of range", expected=f"1 to {most}", found=quoted(k))
        self.k = most if k is None else int(k)
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ArgumentError("not a floating point type", expected="torch.float32, torch.float64 ...", found=dtype)
        self.dtype = dtype
        self.device = usable_device(device)
        self._work_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        matrices = [synthesis_matrix(transform, n, m) for n, m in zip(shape, self.size, strict=True)]
        self._matrices = [*matrices[:-1], matrices[-1] * step]
        self._frequencies = frequencies[:, : self.k]
        self._shape = shape
        self._base = (
            None if base is None else torch.tensor(base[:, :, : self.k], dtype=self._work_dtype, device=self.device)
        )
        self._channels = (
            None if channel_matrix is None else torch.tensor(channel_matrix, dtype=self._work_dtype, device=self.device)
        )
        self._of_one_mask: dict[int, Synthesis] = {}

    @classmethod
    def of(
        cls,
        data: FreDData,
        *,
        size: Sequence[int] | int | None = None,
        k: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """The decoder of a dataset's stored coefficients."""
        meta = data.metadata
        return cls(
            data.frequencies,
            meta.spatial_shape,
            meta.transform,
            step=data.step,
            base=data.base,
            channel_matrix=data.channel_matrix,
            size=size,
            k=k,
            device=device,
            dtype=dtype,
        )

    @cached_property
    def choice(self) -> Choice:
        """Whether images without gradients are computed by compiled loops, Triton or torch, and why."""
        if self.device.type == "cuda":
            return self._on_gpu[1]
        return choose(self._frequencies, self._shape, self.size, device=self.device, dtype=self._work_dtype)

    def __getstate__(self) -> dict[str, Any]:
        """The state without caches that depend on this process and its processor."""
        return {name: value for name, value in vars(self).items() if name not in ("choice", "_planes", "_on_gpu")}

    def __call__(self, coefficients: Tensor, masks: Tensor | int) -> Tensor:
        """Images (B, C, *size) of ``coefficients`` (B, C, K) of any dtype, including stored integers.

        ``masks`` has the mask of each instance: (B,) integers on any device, or a single integer for all, which is
        faster. The images are differentiable any number of times with respect to floating point coefficients, and exact
        inside `torch.autocast`. The call does not synchronise with the device.
        """
        if coefficients.ndim != 3 or coefficients.shape[2] < self.k:
            raise ArgumentError(
                "wrong shape", where="coefficients", expected=f"(B, C, {self.k})", found=coefficients.shape
            )
        if self._channels is not None and coefficients.shape[1] != len(self._channels):
            raise ArgumentError(
                "wrong number of channels",
                where="coefficients",
                expected=len(self._channels),
                found=coefficients.shape[1],
            )
        coefficients = coefficients.to(self.device, non_blocking=True)[:, :, : self.k]
        if isinstance(masks, int):
            if not 0 <= masks < len(self._frequencies):
                raise ArgumentError("no such mask", expected=f"0 to {len(self._frequencies) - 1}", found=masks)
            base = None if self._base is None else self._base[masks].expand(coefficients.shape)
        else:
            if masks.shape != coefficients.shape[:1]:
                raise ArgumentError("not one mask per instance", expected=coefficients.shape[:1], found=masks.shape)
            masks = masks.to(self.device, torch.int64, non_blocking=True)
            base = None if self._base is None else self._base.index_select(0, masks)
        if self._can_launch(coefficients) and (planes := self._on_gpu[0]):
            given = coefficients.detach()
            if self._channels is not None:
                given = exactly(self._mixed, self._values(given, base))
            return planes(given, masks).to(self.dtype)
        if not self._can_write_into(coefficients):
            return self._make(self._values(coefficients, base), masks).to(self.dtype)
        images = _empty((*coefficients.shape[:2], *self.size), self.dtype)
        self._fill(images, coefficients.detach(), masks, base)
        return images

    def _can_write_into(self, coefficients: Tensor) -> bool:
        """Whether these are on the CPU and need no gradient."""
        return self.device.type == "cpu" and _is_constant(coefficients)

    def _can_launch(self, coefficients: Tensor) -> bool:
        """Whether these are on a CUDA device and need no gradient. A kernel is not chosen while a graph is captured, as
        that synchronises with the device."""
        return (
            self.device.type == "cuda"
            and _is_constant(coefficients)
            and ("_on_gpu" in vars(self) or not torch.cuda.is_current_stream_capturing())
        )

    def _fill(self, images: Tensor, coefficients: Tensor, masks: Tensor | int, base: Tensor | None) -> None:
        """Compute ``images`` block by block, so that intermediate results stay in the cache."""
        rows = self._block_rows(coefficients.shape[1])
        for start in range(0, len(images), rows):
            block = slice(start, start + rows)
            values = self._values(coefficients[block], None if base is None else base[block])
            masks_here = masks if isinstance(masks, int) else masks[block]
            if self.dtype == self._work_dtype:
                self._make(values, masks_here, images[block])
            else:
                made = torch.empty(images[block].shape, dtype=self._work_dtype, device="cpu")
                images[block].copy_(self._make(values, masks_here, made))

    def _block_rows(self, channels: int) -> int:
        """Images per block."""
        floats = 2 * self.k + (0 if self._planes else self._synthesis.scratch)
        if self.dtype != self._work_dtype:
            floats += math.prod(self.size)
        return max(1, SCRATCH_BYTES // (channels * floats * self._work_dtype.itemsize))

    def _values(self, coefficients: Tensor, base: Tensor | None) -> Tensor:
        values = coefficients.to(self._work_dtype)
        return values if base is None else values + base

    def _mixed(self, values: Tensor) -> Tensor:
        """The values of the channels of images, from those of stored channels."""
        return values if self._channels is None else self._channels @ values

    def _make(self, values: Tensor, masks: Tensor | int, out: Tensor | None = None) -> Tensor:
        """Images of ``values`` (B, C, K), in ``out`` if it is given."""
        if out is not None and self._planes:
            self._planes(values, masks, out)
            return out
        if isinstance(masks, int):
            synthesis, rows = self._single(masks), torch.zeros(1, dtype=torch.int64, device=self.device)
        else:
            synthesis, rows = self._synthesis, masks
        return exactly(lambda given: synthesis(self._mixed(given), rows, out), values)

    @cached_property
    def _planes(self) -> Planes | None:
        kernel = self.choice.kernel
        if not kernel:
            return None
        return Planes(self._frequencies, self._shape, self._matrices, kernel, self._channels)

    @cached_property
    def _on_gpu(self) -> tuple[TritonPlanes | None, Choice]:
        base = self._base if self._channels is None else None  # added before channels are mixed
        return planes_on(self.device, self._frequencies, self._shape, self._matrices, base, dtype=self._work_dtype)

    @cached_property
    def _synthesis(self) -> Synthesis:
        """The synthesis for all masks."""
        return self._fastest(self._frequencies)

    def _single(self, mask: int) -> Synthesis:
        """The synthesis for one mask."""
        if len(self._frequencies) == 1:
            return self._synthesis
        if mask not in self._of_one_mask:
            self._of_one_mask[mask] = self._fastest(self._frequencies[mask : mask + 1])
        return self._of_one_mask[mask]

    def _fastest(self, frequencies: NDArray[Any]) -> Synthesis:
        return fastest(frequencies, self._shape, self._matrices, device=self.device, dtype=self._work_dtype)


def _is_constant(coefficients: Tensor) -> bool:
    """Whether these are actual values that need no gradient."""
    return not (coefficients.requires_grad and torch.is_grad_enabled()) and is_plain(coefficients)


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Uninitialised memory from NumPy, which requests huge pages: filling it takes a third of the time."""
    size = math.prod(shape) * dtype.itemsize
    if size == 0:
        return torch.empty(shape, dtype=dtype, device="cpu")
    return torch.from_numpy(np.empty(size, np.uint8)).view(dtype).view(shape)
