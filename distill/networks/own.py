"""Networks of users: a callable ``(channels, spatial_shape, classes) -> nn.Module`` in, checked and seeded modules out.

A name in a file or in a configuration is never imported: only what the caller passed is run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from fredfmt.errors import ArgumentError

NetworkFactory: TypeAlias = Callable[[int, tuple[int, ...], int], nn.Module]
"""``(channels, spatial_shape, classes)`` to a module from (N, C, *spatial) images to (N, class) scores. Its parameters
come from torch's global generators, which are seeded for it and put back."""

_TRIED = 2


def name_of(made: Any) -> str:
    """``package.module:name`` of a function, a class or an object's class, for the record."""
    named = made if hasattr(made, "__qualname__") else type(made)
    return f"{named.__module__}:{named.__qualname__}"


def load_named(name: str, what: str) -> Any:
    """What ``package.module:name`` names, from the current folder or an installed package.

    For names that the user typed, never for one that a file holds: the module is run. ``what`` is the word of messages
    for it. Raises `ArgumentError` if there is nothing.
    """
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentError(f"no such {what}", expected="package.module:name", found=f"{name} ({error})") from None
    finally:
        sys.path.remove(here)
    return found


def load_factory(name: str) -> NetworkFactory:
    """The network factory that ``package.module:factory`` names; see `load_named`."""
    found = load_named(name, "network factory")
    if not callable(found):
        raise ArgumentError("not a network factory", where=name, expected="a callable", found=type(found).__name__)
    return found  # type: ignore[no-any-return]


def make_own(
    factory: NetworkFactory,
    *,
    channels: int,
    spatial_shape: tuple[int, ...],
    classes: int,
    generator: torch.Generator,
    device: torch.device | str,
) -> nn.Module:
    """A module of the factory on ``device``, checked on a blank image. Raises `ArgumentError` if it is no such network.

    Its random draws are seeded by ``generator``; the global generators are left as they were.
    """
    name = name_of(factory)
    with seeded(generator, device):
        made: object = factory(channels, tuple(spatial_shape), classes)
        if not isinstance(made, nn.Module):
            raise ArgumentError(
                "the network factory made no torch module",
                where=name,
                expected="an nn.Module",
                found=type(made).__name__,
            )
        network = made.to(device)
        training = network.training
        with torch.no_grad():
            scores = network.eval()(torch.zeros(_TRIED, channels, *spatial_shape, device=device))
        network.train(training)
    if not isinstance(scores, Tensor) or scores.shape != (_TRIED, classes):
        raise ArgumentError(
            "the network does not give one score per class",
            where=name,
            expected=f"({_TRIED}, {classes}) of {_TRIED} images",
            found=tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__,
        )
    return network


def embedding(network: Any) -> Callable[[Tensor], Tensor]:
    """Its ``embed``, for objectives that match features. Raises `ArgumentError` for a network without one."""
    embed = getattr(network, "embed", None)
    if not callable(embed):
        raise ArgumentError(
            "this objective matches features, and the network has none to give",
            where=type(network).__name__,
            expected="a method embed(images) -> (N, feature), the input of the last layer",
            hint="Add it, or use an objective that matches gradients (dc, dsa)",
        )
    return embed  # type: ignore[no-any-return]


@contextmanager
def seeded(generator: torch.Generator, device: torch.device | str) -> Iterator[None]:
    """Torch's global generators, of the CPU and of ``device``, seeded from ``generator`` inside and put back after."""
    seed = int(torch.randint(2**62, (), generator=generator, device="cpu"))
    device = torch.device(device)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if device.type != "cuda":
            yield
            return
        with torch.random.fork_rng(devices=[device]), torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
            yield
