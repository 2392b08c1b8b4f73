"""Facts about another project's file that the file does not record, and the errors that ask for them."""

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
    """Facts about a file; each is None where the caller does not know or the file itself says it."""

    dataset: str | None = None
    """The real data set, a name in `KNOWN`: gives class names, and mean and std as the projects' code has them."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    unit: bool = False
    """The images are in 0..1."""
    zca: str | None = None
    """``no``: not whitened; ``keep``: whitened, leave them so; or the path of a matrix that undoes it."""
    zca_epsilon: float | None = None
    """What was added to the variances when images that stay whitened were whitened."""
    classes: tuple[str, ...] | Literal["numbers"] | None = None
    labels: LabelKind | None = None
    """What float labels are, or ``class-major`` where none are stored and images come class by class."""
    temperature: float = 1.0
    """Divides logits."""
    lr: float | Literal["unknown"] | None = None
    """The learning rate to train with."""
    factor: int | None = None
    """Pictures along a side of a packed image."""
    experiment: int | None = None
    """Which of several experiments, counted from 0."""
    average: bool | None = None
    """The running average of the images where a checkpoint holds it beside the last ones."""
    channels: Literal["first", "last", "none"] | None = None
    """Which axis holds the channels; ``none``: there is no such axis, the images are grey."""
    w0: float | None = None
    w0_initial: float | None = None
    """Of the sines of a neural field."""
    size: tuple[int, int] | None = None
    """Height and width, for fields to draw, rows of numbers to fold and image files to resize to."""
    labels_file: Path | None = None
    """The file of the labels where its name does not follow from that of the images."""


Statistics: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel of images in 0..1."""


@dataclass(frozen=True)
class Known:
    """What is known about a real data set."""

    classes: tuple[str, ...] | None
    """Class names in the labels' order; None where projects leave them to their copy of the data."""
    statistics: Mapping[str, Statistics]
    """What images are normalised by, for each kind of file whose projects' code says so."""
    measured: Statistics | None = None
    """What projects use that measure their statistics (RFAD, KIP), where that is not what others have."""

    def of(self, dataset: str, kind: str) -> Statistics:
        """The statistics of a kind of file. Where nobody knows whose file it is, those that all projects agree on.

        Raises `ArgumentError` where the code of this kind says nothing, or where projects disagree.
        """
        if kind in self.statistics:
            return self.statistics[kind]
        known = {*self.statistics.values(), *([self.measured] if self.measured else [])}
        if kind not in FAMILIES_OF and len(known) == 1:
            return known.pop()
        raise ArgumentError(
            f"projects normalise {dataset} in different ways"
            if len(known) > 1
            else f"the projects that write this kind of file do not normalise {dataset} in a known way",
            expected="--mean and --std",
            hint="Look for them in the code that made the file, in get_dataset as a rule. Known are "
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
"""The projects that write a kind of file, if they are known."""
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
"""Class names and statistics as the code of DC, MTT, FreD, FRePo and what was made from them has them. DDiF's code has
two for CIFAR-100."""


Asked: TypeAlias = tuple[str, str, str]
"""A fact that is missing: what it is, the option that gives it, and the way to find it."""


class MissingFactError(ArgumentError):
    """Facts that the file does not hold and the caller did not give; nothing is ever guessed."""

    def __init__(self, facts: Sequence[Asked]) -> None:
        self.facts = tuple(facts)
        said, options, ways = zip(*facts, strict=True)
        super().__init__(
            f"the file does not say {', nor '.join(said)}", expected="; ".join(options), hint=". ".join(ways)
        )


def missing(fact: str, option: str, how: str) -> MissingFactError:
    """The error for one fact, with the option that gives it and the way to find it."""
    return MissingFactError([(fact, option, how)])


def asking_together(*steps: Callable[[], Any]) -> list[Any]:
    """The results of all steps; what is missing to any of them is asked for in one error."""
    results: list[Any] = []
    facts: list[Asked] = []
    for step in steps:
        try:
            results.append(step())
        except MissingFactError as error:
            facts += error.facts
    if facts:
        raise MissingFactError(facts)
    return results
