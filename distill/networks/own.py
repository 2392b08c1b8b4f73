"""Custom networks: checks and seeds the modules of a callable ``(channels, spatial_shape, classes) -> nn.Module``.

A name in a file or in a configuration is never imported; only a factory that the caller passes is run.
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
"""From ``(channels, spatial_shape, classes)`` to a module from (N, C, *spatial) images to (N, class) scores. Its
parameters are drawn from torch's global generators, which are seeded for this and restored afterwards."""

_TRIED = 2


def name_of(made: Any) -> str:
    """The name ``package.module:name`` of a function, a class or the class of an object, for the metadata."""
    named = made if hasattr(made, "__qualname__") else type(made)
    return f"{named.__module__}:{named.__qualname__}"


def load_named(name: str, what: str) -> Any:
    """The object that ``package.module:name`` names, from the current folder or an installed package.

    Only for names that the user gave, never for a name in a file, because the module is run. ``what`` describes the
    object in messages. Raises `ArgumentError` if it does not exist.
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
    """The network factory that ``package.module:factory`` names, from the current folder or an installed package.

    Only for names that the user gave, never for a name in a file, because the module is run. Raises `ArgumentError` if
    there is no such callable.

    >>> load_factory("torchvision.models:resnet18").__name__
    'resnet18'
    """
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
    """A module of the factory on ``device``, checked with blank images. Raises `ArgumentError` if it is not a network.

    Its random draws are seeded by ``generator``; the global generators do not change.
    """
    name = name_of(factory)
    with seeded(generator, device):
        made: object = factory(channels, tuple(spatial_shape), classes)
        if not isinstance(made, nn.Module):
            raise ArgumentError(
                "the network factory did not return a torch module",
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
            expected=f"({_TRIED}, {classes}) for {_TRIED} images",
            found=tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__,
        )
    return network


def embedding(network: Any) -> Callable[[Tensor], Tensor]:
    """The method ``embed`` of a network, for objectives that match features. Raises `ArgumentError` if it has none."""
    embed = getattr(network, "embed", None)
    if not callable(embed):
        raise ArgumentError(
            "this objective matches features, but the network has no method embed",
            where=type(network).__name__,
            expected="a method embed(images) -> (N, feature), the input of the last layer",
            hint="Add it, or use an objective that matches gradients (dc, dsa)",
        )
    return embed  # type: ignore[no-any-return]


@contextmanager
def seeded(generator: torch.Generator, device: torch.device | str) -> Iterator[None]:
    """Inside the block, torch's global generators of the CPU and ``device`` are seeded from ``generator``; they are
    restored afterwards."""
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
