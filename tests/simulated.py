"""A device with memory of its own, for tests on machines without one: tensors there have values, computed on the CPU.

An operation that mixes tensors of the two fails, as it does on a GPU: but for copies and for numbers (tensors without
axes). So does what asks a tensor there for NumPy. ``FakeTensorMode`` and the device ``meta`` find the same faults
without values, and no backward pass on a fake GPU. Torch calls this a Python backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_map

NAME = "simulated"
_MOVES = {"aten::_to_copy", "aten::copy_", "aten::_copy_from"}
AVAILABLE = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
"""Whether this torch has what it takes (2.10)."""


class Simulated(Tensor):
    """A tensor of the device; ``raw`` holds its values."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor) -> Simulated:
        made = Tensor._make_wrapper_subclass(
            cls,
            raw.shape,
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=f"{NAME}:0",
        )
        made.raw = raw
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(function, *args, **(kwargs or {}))

    def tolist(self) -> Any:
        """The values."""
        return self.raw.tolist()


def compute(function: Any, *args: Any, **kwargs: Any) -> Any:
    """An operation of the device."""
    name, wrappers = function._schema.name, {}

    def lowered(value: Any) -> Any:
        if isinstance(value, Simulated):
            wrappers[id(value.raw)] = value
            return value.raw
        if isinstance(value, Tensor) and value.dim() and name not in _MOVES:
            raise RuntimeError(f"{name}: tensors of the CPU and of the device {NAME}")
        return torch.device("cpu") if isinstance(value, torch.device) else value

    def lifted(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return wrappers[id(value)] if id(value) in wrappers else Simulated(value)

    inside, named = tree_map(lowered, (args, kwargs))
    made = function(*inside, **named)
    if name == "aten::copy_":
        return args[0]
    goal = kwargs.get("device")
    return tree_map(lifted, made) if goal is None or goal.type == NAME else made


def register() -> None:
    """Give torch the device; once per process, before its first backward pass."""
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    _LIBRARY.fallback(compute, "PrivateUse1")


def making_tensors(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``torch.tensor`` for this device too, which torch makes by a way that reaches no Python."""

    def tensor(values: Any, *, device: Any = None, **options: Any) -> Tensor:
        if device is not None and torch.device(device).type == NAME:
            return original(values, **options).to(device)
        return original(values, device=device, **options)

    return tensor


_LIBRARY = torch.library.Library("_", "IMPL")
