"""Checks the names of devices, and waits for them."""

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


def wait_for(device: torch.device | str) -> None:
    """Wait until the device has finished all its work, for measurements of time.

    >>> wait_for("cpu")
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
