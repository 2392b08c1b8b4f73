"""Computes images from coefficients on a GPU by a Triton kernel, or says why torch computes them.

Triton comes with torch for CUDA on Linux. Its kernel reads each coefficient and writes each pixel about once, in one
launch, where torch's operations (`fredfmt.codec.synthesis`) launch seven and write intermediate results to memory. It
is for float32 images of two axes; torch computes all others, and all gradients.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fredfmt.codec.gate import Choice, shortest
from fredfmt.codec.kernels import TORCH, VARIABLE, forced
from fredfmt.codec.planes import rounded_up
from fredfmt.codec.synthesis import SeparableSynthesis, fastest

TRITON = "triton"
_log = logging.getLogger(__name__)
_LEAST, _LARGEST = 16, 256
"""Lengths of an axis that a program can multiply at a time."""
_WIDE = 128
"""Rows of frequencies up to which blocks of 64 columns fit into the registers."""
_MOST = 2**15 - 1
"""Frequencies per mask that int16 can number."""
_PIXELS, _REPEATS, _CLOSE = 1 << 20, 7, 1e-4
"""Of the comparison with torch: pixels per batch, turns, and the largest difference relative to the largest pixel."""


class TritonPlanes:
    """Computes images of a fixed set of masks.

    Parameters
    ----------
    frequencies
        (mask, frequency) flat indices into ``spatial_shape``, at most 32,767 per mask.
    spatial_shape
        Two lengths of at most 256, as are those of the images.
    matrices
        One (size, length) synthesis matrix per axis.
    base
        (mask, channel, frequency) float32 on ``device``, which is added to the coefficients.
    device
        A CUDA device; with ``TRITON_INTERPRET=1`` in the environment, Triton runs on the CPU, too.
    """

    def __init__(
        self,
        frequencies: NDArray[np.integer],
        spatial_shape: tuple[int, ...],
        matrices: Sequence[NDArray[np.float64]],
        base: Tensor | None,
        *,
        device: torch.device,
    ) -> None:
        box = SeparableSynthesis(frequencies, spatial_shape, matrices, device=torch.device("cpu"), dtype=torch.float32)
        self.device, self.size = device, box.size
        self._masks, self._k = frequencies.shape
        rows, columns = map(_padded, box.box)
        block = 64 if rows <= _WIDE else 32
        of_rows, of_columns = (min(block, _padded(length)) for length in box.size)
        height, width = (rounded_up(length, of) for length, of in zip(box.size, (of_rows, of_columns), strict=True))
        row, column = np.divmod(box.index.numpy(), box.box[1])
        places = np.full((self._masks, rows * columns), -1, np.int16)
        np.put_along_axis(places, row * columns + column, np.arange(self._k, dtype=np.int16)[None], 1)
        by_rows, by_columns = torch.zeros(height, rows), torch.zeros(columns, width)
        by_rows[: box.size[0], : box.box[0]] = box.factors[0]
        by_columns[: box.box[1], : box.size[1]] = box.factors[1].T
        self._tables = [one.to(device) for one in (torch.from_numpy(places), by_rows, by_columns)]
        self._base = base
        self._blocks = width // of_columns
        warps = 2 if rows * of_columns <= 1024 else 4 if rows * of_columns <= 4096 else 8
        self._sizes = {
            **{"HEIGHT": box.size[0], "WIDTH": box.size[1], "BOX_ROWS": rows, "BOX_COLUMNS": columns},
            **{"OUT_ROWS": of_rows, "OUT_COLUMNS": of_columns, "PADDED_HEIGHT": height, "PADDED_WIDTH": width},
            **{"CHUNK": min(32, columns), "HAS_BASE": base is not None, "num_warps": warps, "num_stages": 2},
            "PRECISION": "tf32x3" if _has_tf32(device) else "ieee",
        }

    def __call__(self, coefficients: Tensor, masks: Tensor | int) -> Tensor:
        """Images (B, C, *size) of coefficients (B, C, K) of any dtype and masks (B,), or a single mask for all.

        Images of a mask out of range are NaN, as checking masks would wait for the device.
        """
        batch, channels, _ = coefficients.shape
        if coefficients.stride(2) != 1:
            coefficients = coefficients.contiguous()
        images = torch.empty(batch, channels, *self.size, dtype=torch.float32, device=coefficients.device)
        if not images.numel():
            return images
        places, rows, columns = self._tables
        with torch.cuda.device(self.device if self.device.type == "cuda" else -1):
            self._kernel[(batch * channels, self._blocks)](
                *(coefficients, masks, places, rows if self._base is None else self._base, rows, columns, images),
                *(coefficients.stride(0), coefficients.stride(1), channels, self._masks, self._k),
                ONE_MASK=isinstance(masks, int),
                **self._sizes,
            )
        return images

    @cached_property
    def _kernel(self) -> Any:
        """Imported at first use, as not every machine with torch has Triton."""
        from fredfmt.codec.triton_kernel import decode_planes

        return decode_planes


def planes_on(
    device: torch.device,
    frequencies: NDArray[np.integer],
    spatial_shape: tuple[int, ...],
    matrices: Sequence[NDArray[np.float64]],
    base: Tensor | None,
    *,
    dtype: torch.dtype,
) -> tuple[TritonPlanes | None, Choice]:
    """The images' faster way on a CUDA device: `TritonPlanes`, or None for torch, and the reason.

    The kernel is compiled (seconds; Triton keeps the result on disk) and compared with torch, its images and its speed,
    on a batch of at most a megapixel, so this call synchronises with the device.
    """
    if against := _reason_against(frequencies, [len(matrix) for matrix in matrices], dtype):
        return None, Choice(TORCH, against)
    try:
        planes = TritonPlanes(frequencies, spatial_shape, matrices, base, device=device)
        difference, ratio = _compared(planes, frequencies, spatial_shape, matrices, base)
    except Exception as error:  # whatever keeps Triton from compiling, such as no C compiler, torch still decodes
        _log.info("the Triton kernel is not used", exc_info=True)
        return None, Choice(
            TORCH, f"the Triton kernel failed: {str(error).partition(chr(10))[0] or type(error).__name__}"
        )
    if not difference <= _CLOSE:
        return None, Choice(TORCH, f"the Triton kernel's images differ from torch's by {difference:.1g} of the range")
    reason = f"the Triton kernel ran at {ratio:.1f} times torch's speed in this process"
    return (planes, Choice(TRITON, reason)) if ratio >= 1 else (None, Choice(TORCH, reason))


def _reason_against(frequencies: NDArray[np.integer], size: Sequence[int], dtype: torch.dtype) -> str | None:
    """Why the kernel is not even tried."""
    if forced() == TORCH:
        return f"{VARIABLE}={TORCH}"
    if dtype != torch.float32:
        return f"the Triton kernel is for float32, not {str(dtype).removeprefix('torch.')}"
    if len(size) != 2 or max(size) > _LARGEST:
        return f"the Triton kernel is for two axes of at most {_LARGEST}"
    if frequencies.shape[1] > _MOST:
        return f"the Triton kernel is for at most {_MOST:,} frequencies per mask"
    return None if find_spec(TRITON) else "Triton is not installed"


def _compared(
    planes: TritonPlanes,
    frequencies: NDArray[np.integer],
    spatial_shape: tuple[int, ...],
    matrices: Sequence[NDArray[np.float64]],
    base: Tensor | None,
) -> tuple[float, float]:
    """The largest difference from torch's images, relative to the largest pixel, and the speed in units of torch's."""
    device = planes.device
    torch_way = fastest(frequencies, spatial_shape, matrices, device=device, dtype=torch.float32)
    channels = 1 if base is None else base.shape[1]
    batch = max(1, min(256, _PIXELS // (channels * math.prod(planes.size))))
    generator = np.random.default_rng(0)
    codes = generator.integers(-20, 21, (batch, channels, frequencies.shape[1]), np.int16)
    coefficients = torch.from_numpy(codes).to(device)
    masks = torch.from_numpy(generator.integers(0, len(frequencies), batch)).to(device)

    def by_torch() -> Tensor:
        values = coefficients.float()
        return torch_way(values if base is None else values + base.index_select(0, masks), masks)

    ways: list[Callable[[], Tensor]] = [by_torch, lambda: planes(coefficients, masks)]
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        expected, made = (way().view(batch, channels, -1) for way in ways)
        difference = float((made - expected).abs().max() / expected.abs().max().clamp_min(1e-30))
        torch_seconds, seconds = shortest(ways, _REPEATS, device)
    return difference, torch_seconds / seconds


def _has_tf32(device: torch.device) -> bool:
    """Whether matrix units multiply TF32, of which three products are as exact as one in float32."""
    return device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)


def _padded(length: int) -> int:
    """The power of two that a program multiplies."""
    return max(_LEAST, 1 << (length - 1).bit_length())
