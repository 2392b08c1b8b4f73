"""Random generators, each determined by a seed, a purpose and numbers."""

from __future__ import annotations

import hashlib

import torch

from fredfmt.model.arguments import integer_of


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """A new generator for one purpose, for example ``generator(seed, "network", iteration)``.

    It is always on the CPU, so that draws do not depend on the device of the computation, and it does not use the
    global state. Equal arguments give equal draws, different ones independent draws. Raises `ArgumentError` for a
    negative seed.
    """
    seed = integer_of("seed", seed, least=0)
    key = "/".join((str(seed), purpose, *map(str, numbers)))
    state = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return torch.Generator("cpu").manual_seed(state >> 1)
