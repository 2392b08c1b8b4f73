"""Where every random draw comes from: (seed, purpose, numbers) in, a `torch.Generator` out."""

from __future__ import annotations

import hashlib

import torch

from fredfmt.model.arguments import integer_of


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """A fresh generator for one purpose, such as ``generator(seed, "network", iteration)``.

    It lives on the CPU whatever the device of the computation, so that the same draws are made everywhere; nothing
    reads or changes the global state. Equal arguments give equal draws, different ones independent draws. Raises
    `ArgumentError` for a negative seed.
    """
    seed = integer_of("seed", seed, least=0)
    key = "/".join((str(seed), purpose, *map(str, numbers)))
    state = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return torch.Generator("cpu").manual_seed(state >> 1)
