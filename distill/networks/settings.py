"""Settings of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fredfmt.distill.networks.registry import NETWORKS
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

    ``name`` is the name of a network of fredfmt, or ``package.module:factory`` of a custom one, which ignores the other
    settings. Published ConvNets have a width of 128, which takes ten times as long on a CPU. A depth of 3 is for sides
    of up to 32 pixels, one more for each doubling. Objectives pass images of all classes in one batch; with the norm
    ``batch`` these influence each other.

    >>> NetworkConfig("vit", depth=4).to_json()
    {'name': 'vit', 'width': 32, 'depth': 4, 'norm': 'instance', 'pooling': 'avg'}
    """

    where: ClassVar[str] = "network"

    name: str = setting(
        "convnet",
        f"{', '.join(NETWORKS)} or package.module:factory of a custom network.",
        flag="--network",
        examples=tuple(NETWORKS),
        check=_check_name,
    )
    width: int = setting(32, "Channels of the first convolution, or a quarter of the size of tokens.", least=1)
    depth: int = setting(3, "Blocks of a convnet or vit.", least=1)
    norm: Norm = setting("instance", "Norm of the layers of a convnet, resnet18 or vgg11.")
    pooling: Pooling = setting("avg", "Pooling of a convnet.")

    @property
    def own(self) -> bool:
        """Whether this names a custom network."""
        return ":" in self.name

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values; a custom network has only a name."""
        return {"name": self.name} if self.own else super().to_json()
