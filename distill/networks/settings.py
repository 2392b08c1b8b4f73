"""Settings of a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from fredfmt.distill.networks.registry import NETWORKS, SETTINGS
from fredfmt.distill.settings import Settings, setting
from fredfmt.errors import ArgumentError, quoted

Norm = Literal["instance", "batch", "group", "none"]
Pooling = Literal["avg", "max"]


def _check_name(name: str) -> None:
    if name not in NETWORKS and ":" not in name:
        known = f"one of {', '.join(NETWORKS)}, or package.module:factory of a custom network"
        raise ArgumentError("no such network", expected=known, found=quoted(name))


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """Settings of a network; see `fredfmt.distill.networks`.

    ``name`` is the name of a network of fredfmt, or ``package.module:factory`` of a custom one, which has no other
    settings. Published ConvNets have a width of 128, which takes ten times as long on a CPU. Objectives pass images of
    all classes in one batch; with the norm ``batch`` these influence each other.

    >>> NetworkConfig("vit", depth=4).to_json()
    {'name': 'vit', 'width': 32, 'depth': 4}
    >>> NetworkConfig("alexnet", depth=5)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: network.depth: alexnet has no setting depth; expected width, found 5
    """

    where: ClassVar[str] = "network"

    name: str = setting(
        "convnet",
        f"{', '.join(NETWORKS)} or package.module:factory of a custom network.",
        flag="--network",
        examples=tuple(NETWORKS),
        check=_check_name,
    )
    width: int = setting(
        32, "Channels of the first convolution; for vit, a quarter of the embedding dimension.", least=1
    )
    depth: int = setting(3, "Blocks of a convnet or vit.", least=1)
    norm: Norm = setting("instance", "Norm of the layers of a convnet, resnet18 or vgg11.")
    pooling: Pooling = setting("avg", "Pooling of a convnet.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, option in self.options().items():
            value = getattr(self, name)
            if name not in settings_of(self.name) and value != option.default:
                raise ArgumentError(
                    f"{self.name} has no setting {name}",
                    where=f"{self.where}.{name}",
                    expected=", ".join(settings_of(self.name)[1:]) or "the name alone",
                    found=quoted(value),
                )

    @property
    def own(self) -> bool:
        """Whether this names a custom network."""
        return ":" in self.name

    def fitting(self, spatial_shape: tuple[int, ...]) -> Self:
        """The same settings, for a ConvNet with the depth that the literature uses for images of this shape.

        That is 3 for sides of 8 to 45 pixels, 4 for 64, one more for each doubling; less for smaller images, as each
        block halves the sides.

        >>> [NetworkConfig().fitting((side, side)).depth for side in (4, 8, 28, 32, 64, 128)]
        [2, 3, 3, 3, 4, 5]
        """
        if self.name != "convnet":
            return self
        halvings = math.log2(min(spatial_shape))
        return self.replace(depth=max(1, min(int(halvings), max(3, round(halvings) - 2))))

    def replace(self, **changes: Any) -> Self:
        """The same with other values; a network of another name keeps the settings that both have.

        >>> NetworkConfig(width=64, depth=4).replace(name="vgg11").to_json()
        {'name': 'vgg11', 'width': 64, 'norm': 'instance'}
        """
        kept = settings_of(str(changes.get("name", self.name)))
        return self.of({name: getattr(self, name) for name in kept} | changes)

    def to_json(self) -> dict[str, Any]:
        """The name and the settings that the network has, as JSON values."""
        return {name: getattr(self, name) for name in settings_of(self.name)}

    spelled = to_json

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read the values of `to_json`. Earlier files also recorded settings that the network does not have; these are
        ignored."""
        used = settings_of(str(values.get("name", cls().name)))
        return cls.of({name: value for name, value in values.items() if name in used or name not in cls.options()})


def settings_of(name: str) -> tuple[str, ...]:
    """The names of the settings that a network has, first ``name``.

    >>> settings_of("vgg11")
    ('name', 'width', 'norm')
    """
    return ("name", *SETTINGS.get(name, ()))
