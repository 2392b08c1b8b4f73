"""Checks the names of devices."""

from __future__ import annotations

import torch

from fredfmt.errors import ArgumentError, brief


def usable_device(device: torch.device | str | None) -> torch.device:
    """The device of that name; the CPU for None. Raises `ArgumentError` if it is not available.

    >>> usable_device("cpu")
    device(type='cpu')
    """
    if device is None:
        return torch.device("cpu")
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError, OverflowError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArgumentError(
            "no such device",
            where="device",
            expected="cpu, cuda, cuda:1, mps ...",
            found=f"{brief(device)} ({reason})",
            hint="Use cpu",
        ) from None
