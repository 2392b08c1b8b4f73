"""Published accuracies to draw beside your own, each with its source.

Bits are nominal, as their authors count: 32 for each stored number, nothing for masks, labels or containers. Networks
are a ConvNet of three blocks and 128 channels unless the source says otherwise; the protocols are their authors'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """One published figure."""

    data: str
    """Name of the real dataset."""
    method: str
    bits_per_class: float
    accuracy: float
    """0..1."""
    source: str


_NUMBERS: Mapping[str, int] = {"fashion-mnist": 784, "mnist": 784, "svhn": 3072, "cifar10": 3072, "cifar100": 3072}
"""Values of an image; an image per class costs 32 times as many bits."""

_IPC = (1, 10, 50)
_FROM_FRED = "FreD's repository"
_FROM_DC = "repository of DC, DSA and DM"
_FROM_IDC = "IDC's repository"
_FROM_KIP = "KIP's paper, width 1024"
_FROM_PAPERS = "as printed in papers"

_PUBLISHED: tuple[tuple[str, str, tuple[float | None, float | None, float | None], str], ...] = (
    ("fashion-mnist", "DC", (70.5, 82.3, 83.6), _FROM_DC),
    ("fashion-mnist", "DSA", (70.6, 84.6, 88.7), _FROM_DC),
    ("fashion-mnist", "KIP to ConvNet", (73.8, 86.8, 87.8), _FROM_KIP),
    ("fashion-mnist", "IDC", (81.0, 86.0, 86.2), _FROM_IDC),
    ("fashion-mnist", "FreD (TM)", (84.6, 89.1, None), _FROM_FRED),
    ("mnist", "DC", (91.7, 97.4, 98.8), _FROM_DC),
    ("mnist", "DSA", (88.7, 97.8, 99.2), _FROM_DC),
    ("mnist", "KIP to ConvNet", (90.1, 97.5, 98.4), _FROM_KIP),
    ("mnist", "IDC", (94.2, 98.4, 99.1), _FROM_IDC),
    ("mnist", "FreD (TM)", (95.8, 97.6, None), _FROM_FRED),
    ("svhn", "DC", (31.2, 76.1, 82.3), _FROM_DC),
    ("svhn", "DSA", (27.5, 79.2, 84.4), _FROM_DC),
    ("svhn", "IDC", (68.5, 87.5, 90.1), _FROM_IDC),
    ("svhn", "FreD (TM)", (82.2, 89.5, 90.3), _FROM_FRED),
    ("cifar10", "DC", (28.3, 44.9, 53.9), _FROM_DC),
    ("cifar10", "DSA", (28.8, 52.1, 60.6), _FROM_DC),
    ("cifar10", "DM", (26.0, 48.9, 63.0), _FROM_PAPERS),
    ("cifar10", "MTT", (46.3, 65.3, 71.6), _FROM_PAPERS),
    ("cifar10", "FreD (TM)", (60.6, 70.3, 75.8), _FROM_FRED),
    ("cifar10", "DDiF", (66.5, 74.0, 77.5), _FROM_PAPERS),
    ("cifar100", "DM", (11.4, 29.7, 43.6), _FROM_PAPERS),
    ("cifar100", "MTT", (24.3, 40.1, 47.7), _FROM_PAPERS),
    ("cifar100", "FreD (TM)", (34.6, 42.7, 47.8), _FROM_FRED),
    ("cifar100", "DDiF", (42.1, 46.0, 49.9), _FROM_PAPERS),
)


def anchors_of(names: Iterable[str]) -> list[Anchor]:
    """The published figures for the real datasets of these names."""
    wanted = set(names)
    return [
        Anchor(data, method, 32.0 * _NUMBERS[data] * ipc, round(accuracy / 100, 4), source)
        for data, method, accuracies, source in _PUBLISHED
        for ipc, accuracy in zip(_IPC, accuracies, strict=True)
        if data in wanted and accuracy is not None
    ]
