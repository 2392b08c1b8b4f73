"""Facts about another project's file that the file does not record, and the error for missing ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from fredfmt.data.sources.idx import FAMILIES
from fredfmt.errors import ArgumentError

LabelKind = Literal["hard", "probabilities", "logits", "centred", "class-major"]


@dataclass(frozen=True)
class Facts:
    """Facts about a file; each is None if it is unknown or recorded in the file itself."""

    dataset: str | None = None
    """The real dataset, a name in `KNOWN`. It gives class names, and the mean and std in the projects' code."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    unit: bool = False
    """The images are in 0..1."""
    zca: str | None = None
    """``no``: the images are not whitened. ``keep``: they are whitened and stay so. Else the path of a matrix that
    undoes it."""
    zca_epsilon: float | None = None
    """The epsilon that was added to the eigenvalues of the covariance, for images that stay whitened."""
    classes: tuple[str, ...] | Literal["numbers"] | None = None
    labels: LabelKind | None = None
    """The meaning of float labels, or ``class-major`` if no labels are stored and images are sorted by class."""
    temperature: float = 1.0
    """Divides logits."""
    lr: float | Literal["unknown"] | None = None
    """The learning rate for training on the data."""
    factor: int | None = None
    """The number of pictures along a side of a packed image."""
    experiment: int | None = None
    """The index of one of several experiments."""
    average: bool | None = None
    """Whether to take the running average of the images, if a checkpoint contains both it and the last images."""
    channels: Literal["first", "last", "none"] | None = None
    """The channel axis; ``none``: grey images without one."""
    w0: float | None = None
    w0_initial: float | None = None
    """The frequencies of the sines of a neural field."""
    size: tuple[int, int] | None = None
    """Height and width of drawn neural fields, of images stored as flat rows, and to which image files are resized."""
    labels_file: Path | None = None
    """The file of the labels, if its name does not follow from that of the images."""


Statistics: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel of images in 0..1."""


@dataclass(frozen=True)
class Known:
    """Facts about a real dataset."""

    classes: tuple[str, ...] | None
    """Class names in the order of the labels; None if projects take them from their copy of the data."""
    statistics: Mapping[str, Statistics]
    """The normalisation for each kind of file whose projects' code has one."""
    measured: Statistics | None = None
    """The normalisation of projects that measure it (RFAD, KIP), if it differs from that of others."""

    def of(self, dataset: str, kind: str) -> Statistics:
        """The normalisation of a kind of file. For an unknown kind it is the one on which all projects agree. Raises
        `ArgumentError` if the projects of this kind have none in their code, or if projects disagree.
        """
        if kind in self.statistics:
            return self.statistics[kind]
        known = {*self.statistics.values(), *([self.measured] if self.measured else [])}
        if kind not in FAMILIES_OF and len(known) == 1:
            return known.pop()
        raise ArgumentError(
            f"projects normalise {dataset} in different ways"
            if len(known) > 1
            else f"the projects that write this kind of file do not normalise images {dataset} in a known way",
            expected="--mean and --std",
            hint="They are in the code that made the file, usually in get_dataset. Known are "
            + "; ".join(f"{_spelled(one)} ({', '.join(self._users(one))})" for one in sorted(known)),
        )

    def _users(self, statistics: Statistics) -> list[str]:
        users = [FAMILIES_OF[kind] for kind, one in self.statistics.items() if one == statistics]
        return users + (["RFAD, KIP: measured"] if statistics == self.measured else [])


def _spelled(statistics: Statistics) -> str:
    mean, std = (",".join(f"{value:g}" for value in part) for part in statistics)
    return f"--mean {mean} --std {std}"


FAMILIES_OF: Mapping[str, str] = MappingProxyType(
    {
        "dc": "DC, DSA, DM, FreD",
        "pair": "MTT, TESLA, FTD, FreD",
        "triple": "DATM, PAD",
        "fields": "DDiF",
        "flax": "FRePo, RCIG",
    }
)
"""The projects that write each kind of file, if known."""
_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
_MNIST: Statistics = ((0.1307,), (0.3081,))
_FASHION: Statistics = ((0.2861,), (0.3530,))
_SVHN: Statistics = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
_CIFAR10: Statistics = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
_CIFAR10_MEASURED: Statistics = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_CIFAR100: Statistics = ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762))
_IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_TINY_MEASURED: Statistics = ((0.4759, 0.4481, 0.3926), (0.2763, 0.2687, 0.2813))
_CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        "mnist": Known(FAMILIES["mnist"].classes, dict.fromkeys(("dc", "pair", "fields", "flax"), _MNIST)),
        "fashion-mnist": Known(
            FAMILIES["fashion-mnist"].classes, dict.fromkeys(("dc", "pair", "fields", "flax"), _FASHION)
        ),
        "svhn": Known(tuple("0123456789"), dict.fromkeys(("dc", "pair", "fields"), _SVHN)),
        "cifar10": Known(
            _CIFAR10_CLASSES,
            {**dict.fromkeys(("dc", "pair", "triple", "fields"), _CIFAR10), "flax": _CIFAR10_MEASURED},
            measured=_CIFAR10_MEASURED,
        ),
        "cifar100": Known(
            tuple(_CIFAR100_CLASSES.split()),
            {**dict.fromkeys(("dc", "flax"), _CIFAR100), **dict.fromkeys(("pair", "triple"), _CIFAR10)},
            measured=_CIFAR100,
        ),
        "tiny-imagenet": Known(
            None, {**dict.fromkeys(("dc", "pair", "triple", "fields"), _IMAGENET), "flax": _TINY_MEASURED}
        ),
    }
)
"""Class names and normalisations from the code of DC, MTT, FreD, FRePo and projects based on them. DDiF's code has two
for CIFAR-100."""


MissingFact: TypeAlias = tuple[str, str, str]
"""A missing fact: its description, the option that gives it, and how to find it."""


class MissingFactError(ArgumentError):
    """Needed facts are neither in the file nor given by the caller; nothing is guessed."""

    def __init__(self, facts: Sequence[MissingFact]) -> None:
        self.facts = tuple(facts)
        needed, options, ways = zip(*facts, strict=True)
        super().__init__(
            f"the file does not say {', nor '.join(needed)}", expected="; ".join(options), hint=". ".join(ways)
        )


def missing(fact: str, option: str, way: str) -> MissingFactError:
    """The error for one missing fact, with the option that gives it and how to find it."""
    return MissingFactError([(fact, option, way)])


def asking_together(*steps: Callable[[], Any]) -> list[Any]:
    """The results of all steps; the facts that are missing for any of them are reported in one error."""
    results: list[Any] = []
    facts: list[MissingFact] = []
    for step in steps:
        try:
            results.append(step())
        except MissingFactError as error:
            facts += error.facts
    if facts:
        raise MissingFactError(facts)
    return results
