"""What a caller knows about somebody's file that the file does not say, and the errors that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

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


@dataclass(frozen=True)
class Known:
    """What everybody's code agrees on about a real data set, or ``statistics`` by family where it does not."""

    classes: tuple[str, ...] | None
    statistics: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]


_CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
EVERY = "every"
KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        "mnist": Known(FAMILIES["mnist"].classes, {EVERY: ((0.1307,), (0.3081,))}),
        "fashion-mnist": Known(FAMILIES["fashion-mnist"].classes, {EVERY: ((0.2861,), (0.3530,))}),
        "svhn": Known(tuple("0123456789"), {EVERY: ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))}),
        "cifar10": Known(
            ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            {EVERY: _CIFAR10},
        ),
        "cifar100": Known(
            tuple(_CIFAR100_CLASSES.split()),
            {"dc": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)), "pair": _CIFAR10, "triple": _CIFAR10},
        ),
        "tiny-imagenet": Known(None, {EVERY: _IMAGENET}),
    }
)
"""Class names and statistics as DC's and MTT's ``utils.py`` and what was made from them have them."""


class MissingFactError(ArgumentError):
    """Facts that the file does not hold and the caller did not give; nothing is ever guessed."""

    def __init__(self, facts: Sequence[tuple[str, str, str]]) -> None:
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
    facts: list[tuple[str, str, str]] = []
    for step in steps:
        try:
            results.append(step())
        except MissingFactError as error:
            facts += error.facts
    if facts:
        raise MissingFactError(facts)
    return results
