"""Saves a trained network, and loads it for images in 0..1."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO

import torch
from torch import Tensor, nn

from fredfmt.distill.networks import NetworkFactory, make_network
from fredfmt.distill.networks.settings import NetworkConfig
from fredfmt.errors import ArgumentError, FormatError, FredFileNotFoundError, quoted
from fredfmt.model.metadata import Metadata

_KIND = "fredfmt network 1"
_PARTS = ("network", "channels", "spatial_shape", "classes", "mean", "std", "state")
_HINT = "fredfmt evaluate --save-network writes such files"


class TrainedNetwork(nn.Module):
    """A network from (N, C, *spatial) images in 0..1 to (N, class) scores; ``classes`` are the class names.

    `load_network` reads one from a file.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> trained = TrainedNetwork(network, ("cat", "dog"), mean=torch.tensor(0.5), std=torch.tensor(0.25))
    >>> trained(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 2])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, classes: tuple[str, ...], mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network((images - self.mean) / self.std)
        return scores


def save_network(stream: IO[bytes], network: nn.Module, config: NetworkConfig, meta: Metadata) -> None:
    """Write a network that was trained on data with these metadata; `load_network` reads it.

    Raises `ArgumentError` for whitened data, because their metadata do not contain the whitening matrix.
    """
    if meta.whitening is not None:
        raise ArgumentError("a network for whitened images cannot be saved", hint="Omit --save-network")
    ones = (1.0,) * meta.channels
    content = {
        "kind": _KIND,
        "network": config.to_json(),
        "channels": meta.channels,
        "spatial_shape": list(meta.spatial_shape),
        "classes": list(meta.classes),
        "mean": list(meta.normalization.mean if meta.normalization else (0.0,) * meta.channels),
        "std": list(meta.normalization.std if meta.normalization else ones),
        "state": {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()},
    }
    torch.save(content, stream)


def load_network(
    path: str | os.PathLike[str], *, device: torch.device | str = "cpu", network: NetworkFactory | None = None
) -> TrainedNetwork:
    """Load a network that ``fredfmt evaluate --save-network`` saved, for images in 0..1.

    Nothing in the file is executed. ``network`` is the factory of a custom network, which a file only names. Raises
    `FormatError` for any other file, and `ArgumentError` if a factory is needed.

    >>> from fredfmt import encode, open_source
    >>> from fredfmt.distill.networks import NetworkConfig, make_network
    >>> source, config = open_source("digits").sample(1), NetworkConfig(width=4)
    >>> data = encode(source.normalized, source.labels, k=9, mask="low")
    >>> shape = {"channels": 1, "spatial_shape": (8, 8), "classes": 10}
    >>> network = make_network(config, **shape, generator=torch.Generator().manual_seed(0))
    >>> with open("network.pt", "wb") as stream:
    ...     save_network(stream, network, config, data.metadata)
    >>> load_network("network.pt")(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 10])
    """
    if not Path(path).is_file():
        raise FredFileNotFoundError("no such file", where=str(path), hint="Check the path")
    refusal = partial(FormatError, "not a network that fredfmt saved", where=str(path), hint=_HINT)
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch does not document what it raises
        raise refusal(found=type(error).__name__) from None
    kind = content.get("kind") if isinstance(content, Mapping) else type(content).__name__
    if kind != _KIND:
        raise refusal(expected=_KIND, found=quoted(kind))
    if missing := [name for name in _PARTS if name not in content]:
        raise refusal(expected=", ".join(_PARTS), found=f"no {', '.join(missing)}")
    config = NetworkConfig.from_json(content["network"])
    if config.own and network is None:
        hint = "Pass it: load_network(path, network=...)"
        raise ArgumentError("a custom network needs its factory", where=str(path), found=config.name, hint=hint)
    made = make_network(
        config,
        channels=content["channels"],
        spatial_shape=tuple(content["spatial_shape"]),
        classes=len(content["classes"]),
        generator=torch.Generator().manual_seed(0),
        device=device,
        factory=network,
    )
    try:
        made.load_state_dict(content["state"])
    except (RuntimeError, TypeError) as error:
        found = str(error).partition("\n")[2].strip() or type(error).__name__
        hint = "Pass the factory that made it" if config.own else _HINT
        what = "the parameters are not those of this network"
        raise FormatError(what, where=str(path), found=found, hint=hint) from None
    shape = (-1, *(1,) * len(content["spatial_shape"]))
    mean, std = (torch.tensor(content[name], device=device).reshape(shape) for name in ("mean", "std"))
    return TrainedNetwork(made, tuple(content["classes"]), mean, std).eval()
