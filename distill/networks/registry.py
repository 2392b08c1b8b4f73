"""The networks of fredfmt by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from fredfmt.distill.networks.alexnet import AlexNet
from fredfmt.distill.networks.convnet import ConvNet
from fredfmt.distill.networks.resnet import ResNet18
from fredfmt.distill.networks.vgg import VGG11
from fredfmt.distill.networks.vit import ViT

NETWORKS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {"convnet": ConvNet, "resnet18": ResNet18, "vgg11": VGG11, "alexnet": AlexNet, "vit": ViT}
)
SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "convnet": {"width": "width", "depth": "depth", "norm": "norm_name", "pooling": "pooling"},
        "resnet18": {"width": "width", "norm": "norm_name"},
        "vgg11": {"width": "width", "norm": "norm_name"},
        "alexnet": {"width": "width"},
        "vit": {"width": "width", "depth": "depth"},
    }
)
"""For each network, the settings that it uses, and the names of its arguments for them."""
