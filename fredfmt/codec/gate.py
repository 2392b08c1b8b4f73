"""Chooses how images are computed on this machine: by a kernel of the compiled loops or by torch.

A kernel that is fast on one processor can be slow on another, so each is compared with torch once per process, on small
test batches and one thread (a few milliseconds), before it is used. The results of both agree up to rounding; set
``FREDFMT_KERNEL`` if even the last bits must not vary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from fredfmt.codec.devices import wait_for
from fredfmt.codec.kernels import COMPILED, TORCH, VARIABLE, Kernel, forced, kernel_for
from fredfmt.codec.planes import Planes
from fredfmt.codec.synthesis import fastest
from fredfmt.transforms import synthesis_matrix

_DENSE = 0.75
"""Masks with at least this share of all frequencies count as dense: full matrix products waste little on them."""
_SHARED = 3
"""For one axis, torch multiplies this many times as fast as the loops, but uses the frequencies of all masks."""
_SIDE, _CHANNELS, _INSTANCES, _MASKS, _REPEATS = 32, 3, 32, 4, 5


@dataclass(frozen=True)
class Choice:
    """How images are computed."""

    name: str
    """``torch``, ``triton`` or the name of compiled loops."""
    reason: str
    kernel: Kernel | None = None
    """The compiled loops."""


def choose(
    frequencies: NDArray[np.integer],
    spatial_shape: Sequence[int],
    size: Sequence[int],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Choice:
    """The faster way to compute images of ``size`` with masks (mask, frequency) on this machine.

    Raises
    ------
    ArgumentError
        For a ``FREDFMT_KERNEL`` that is unknown or unusable.

    Examples
    --------
    >>> masks = np.arange(12, dtype=np.uint16).reshape(1, 12)
    >>> choose(masks, (4, 5, 6), (4, 5, 6), device=torch.device("cpu"), dtype=torch.float32)
    Choice(name='torch', reason='the compiled loops are for one and two axes', kernel=None)
    """
    asked, kernel = forced(), kernel_for(size[-1])
    if device.type != "cpu":
        return Choice(TORCH, f"the compiled loops are for the CPU, not {device.type}")
    if dtype != torch.float32:
        return Choice(TORCH, f"the compiled loops are for float32, not {str(dtype).removeprefix('torch.')}")
    if len(size) > 2:
        return Choice(TORCH, "the compiled loops are for one and two axes")
    if asked or kernel is None:
        return _chosen(kernel, f"{VARIABLE}={asked}" if asked else str(COMPILED.absence))
    k = frequencies.shape[1]
    if len(size) == 1 and len(np.unique(frequencies)) < _SHARED * k:
        return Choice(TORCH, "with one axis and masks that share frequencies, one matrix product is faster")
    masks = "dense" if k > _DENSE * math.prod(spatial_shape) else "sparse"
    ratio = times_torch(kernel, masks == "dense")
    measured = f"on {masks} masks {kernel.name} ran at {ratio:.1f} times torch's speed on one thread"
    return _chosen(kernel if ratio >= 1 else None, measured)


def _chosen(kernel: Kernel | None, reason: str) -> Choice:
    return Choice(kernel.name if kernel else TORCH, reason, kernel)


@cache
def times_torch(kernel: Kernel, dense: bool) -> float:
    """How many times as fast as torch the kernel computes small batches of images of one kind."""
    generator = np.random.default_rng(0)
    shape, matrices = (_SIDE, _SIDE), [synthesis_matrix("dct", _SIDE)] * 2
    k = _SIDE * _SIDE if dense else 2 * _SIDE
    coarseness = np.indices(shape).sum(0).ravel() + generator.uniform(0, 5, (_MASKS, _SIDE * _SIDE))
    frequencies = np.argsort(coarseness, axis=1)[:, :k]
    by_torch = fastest(frequencies, shape, matrices, device=torch.device("cpu"), dtype=torch.float32)
    masks = torch.from_numpy(generator.integers(0, _MASKS, _INSTANCES))
    coefficients = torch.from_numpy(generator.standard_normal((_INSTANCES, _CHANNELS, k), np.float32))
    images = torch.empty(_INSTANCES, _CHANNELS, *shape, dtype=torch.float32, device="cpu")
    loops = Planes(frequencies, shape, matrices, kernel)
    with torch.no_grad(), torch.autocast("cpu", enabled=False), _one_thread():
        torch_seconds, seconds = shortest(
            [lambda: by_torch(coefficients, masks, images), lambda: loops(coefficients, masks, images)], _REPEATS
        )
    return torch_seconds / seconds


@contextmanager
def _one_thread() -> Iterator[None]:
    """Waking several threads takes longer than such a batch, and on a busy machine any time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def shortest(ways: Sequence[Callable[[], object]], turns: int, device: torch.device | str = "cpu") -> list[float]:
    """The seconds of the shortest of some alternating turns of each way.

    >>> len(shortest([lambda: None, lambda: None], 3))
    2
    """
    best = [math.inf] * len(ways)
    for _ in range(turns):
        for number, way in enumerate(ways):
            wait_for(device)
            start = time.perf_counter()
            way()
            wait_for(device)
            best[number] = min(best[number], time.perf_counter() - start)
    return best
