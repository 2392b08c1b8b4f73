"""Settings of the training and testing of networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from fredfmt.data.sources import Source
from fredfmt.distill.augment import augmentation_for
from fredfmt.distill.networks.settings import NetworkConfig
from fredfmt.distill.settings import Settings, group, setting
from fredfmt.distill.settings.groups import augmentation_setting
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import is_number, several_of
from fredfmt.model.data import FreDData
from fredfmt.model.distillation import LENGTHS, by_name

Protocol = Literal["steps", "paper"]
SEVERITIES = (1, 2, 3, 4, 5)
"""The severities of corruptions."""


@dataclass(frozen=True)
class EvaluationConfig(Settings):
    """Settings of the training and testing of new networks, by a protocol with a name, so that results can be compared.

    ``steps``: a number of optimizer steps that does not depend on the size of the data. SGD with Nesterov momentum 0.9
    and weight decay 5e-4 on the cross-entropy. The learning rate rises linearly over the first tenth of the steps and
    then falls linearly to zero. One random operation augments each batch, with different parameters for each image. The
    accuracy is that after the last step, on the whole test split without augmentation. In batches from a smaller
    dataset, every image occurs once before any is repeated.

    ``paper``: the protocol of Dataset Condensation and of FreD's code, see `EvaluationConfig.paper`. SGD with momentum
    0.9 and weight decay 5e-4 for a number of epochs (300 without augmentation), after half of which the learning rate
    is divided by ten. Augmentation is as above.

    >>> EvaluationConfig(steps=500, seeds=5).steps
    500
    """

    where: ClassVar[str] = "evaluation"

    protocol: Protocol = setting(
        "steps", "steps: a fixed number of optimizer steps; paper: SGD for 1000 epochs, as published."
    )
    steps: int = setting(1000, "steps: optimizer steps of each network.", least=1)
    epochs: int = setting(1000, "paper: epochs of each network.", least=1)
    batch: int = setting(64, "Images per optimizer step.", least=1)
    lr: float = setting(0.05, "Peak learning rate.", above=0)
    network: NetworkConfig = group(NetworkConfig)
    augmentation: str = augmentation_setting("batch")
    seeds: int = setting(3, "Number of networks per training set, with consecutive seeds.", least=1)
    first_seed: int = setting(
        0,
        "Seed of the first network, and of the draw of its images for baselines. Files of several runs are compared "
        "with networks of different seeds.",
        least=0,
    )

    @classmethod
    def for_data(cls, data: FreDData | Source, **changes: Any) -> Self:
        """The protocol for data or real images, with the augmentation with which the data were made, or else that of
        their source, and with a ConvNet of the depth that suits their images.

        ``changes`` are applied to it, except None; ``lr="recipe"`` is the learning rate of the data's recipe. Raises
        `ArgumentError` if there is none, for unknown settings and unusable values, and for the length of the other
        protocol.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        config = cls.paper() if given.get("protocol") == "paper" else cls()
        if config.unused in given:
            what = f"the protocol {config.protocol} has no {config.unused}"
            raise ArgumentError(what, expected=LENGTHS[config.protocol], found=config.unused)
        made_with: object = None
        recipe: Mapping[str, Any] = {}
        if isinstance(data, FreDData):
            meta = data.metadata
            shape, name, recipe = meta.spatial_shape, str(meta.source.get("name", "")), meta.recipe
            made_with = by_name(meta.distillation).get("augmentation") or recipe.get("augmentation")
        else:
            shape, name = data.spatial_shape, data.name
        if not isinstance(made_with, str):
            made_with = augmentation_for(name, len(shape))
        config = config.replace(augmentation=made_with)
        if given.get("network", config.network.name) == config.network.name:
            config = config.replace(network=config.network.fitting(shape))
        if given.get("lr") == "recipe":
            given["lr"] = config.following(recipe).lr
        return config.replace(**given)

    def following(self, recipe: Mapping[str, Any]) -> Self:
        """The same protocol with the learning rate of a file's recipe, ``data.metadata.recipe``.

        Raises `ArgumentError` if it has none.

        >>> EvaluationConfig().following({"optimizer": "sgd", "lr": 0.02}).lr
        0.02
        """
        rate = recipe.get("lr", recipe.get("peak_lr"))
        if not is_number(rate):
            raise ArgumentError(
                "the recipe of the data has no learning rate",
                where="metadata: recipe.lr, or peak_lr",
                expected="a number",
                found=quoted(rate),
                hint="Give the learning rate as a number",
            )
        return self.replace(lr=float(rate))

    def recipe(self) -> dict[str, Any]:
        """The protocol in the form of ``Metadata.recipe``. Its learning rate is ``peak_lr``, the peak of a schedule;
        ``lr`` in a recipe is a constant rate that was learned with the data."""
        length = LENGTHS[self.protocol]
        return {
            "protocol": self.protocol,
            length: getattr(self, length),
            "batch": self.batch,
            "peak_lr": self.lr,
            "augmentation": self.augmentation,
        }

    @property
    def networks(self) -> range:
        """The seeds of the networks."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def unused(self) -> str:
        """The setting that gives the length of the other protocol."""
        (other,) = {*LENGTHS.values()} - {LENGTHS[self.protocol]}
        return other

    def used(self) -> dict[str, Any]:
        """The settings that the protocol uses, as JSON values, without the first seed if it is 0."""
        omitted = {self.unused, *([] if self.first_seed else ["first_seed"])}
        return {name: value for name, value in self.to_json().items() if name not in omitted}

    def words(self) -> str:
        """The settings that the protocol uses, in one readable line.

        >>> EvaluationConfig(augmentation="none", network="package:factory").words()
        'steps 1000, batch 64, lr 0.05, augmentation none, seeds 3, network package:factory'
        """
        values = self.used()
        network = values.pop("network")
        del values["protocol"]
        values["network"] = " ".join([network.pop("name"), *(f"{name} {value}" for name, value in network.items())])
        return ", ".join(f"{name} {value}" for name, value in values.items())

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The published protocol: 1000 epochs, batches of 256, learning rate 0.01, five networks of width 128.

        >>> EvaluationConfig.paper(seeds=1).network.width
        128
        """
        published = cls(protocol="paper", batch=256, lr=0.01, seeds=5, network=NetworkConfig(width=128))
        return published.replace(**changes)


@dataclass(frozen=True)
class CorruptionConfig(Settings):
    """Settings of tests on corrupted images; see `fredfmt.distill.evaluation.corruptions`.

    >>> CorruptionConfig(("fog", "jpeg"), severities=(5,)).severities
    (5,)
    """

    where: ClassVar[str] = "corruptions"

    names: tuple[str, ...] = setting((), "Corruptions to test on; all if there are none.", flag=None)
    severities: tuple[int, ...] = setting((1, 3, 5), "Severities of the corruptions, 1 to 5.", metavar="1,3,5")
    seed: int = setting(0, "Seed of every random draw.", least=0, flag=None)

    def __post_init__(self) -> None:
        for name in ("names", "severities"):
            object.__setattr__(self, name, several_of(f"{self.where}.{name}", getattr(self, name)))
        super().__post_init__()
        if not all(isinstance(name, str) for name in self.names) or len(set(self.names)) < len(self.names):
            raise self._unusable("names", "different names")
        known = all(type(severity) is int and severity in SEVERITIES for severity in self.severities)
        if not known or len(set(self.severities)) != len(self.severities) or not self.severities:
            raise self._unusable("severities", "different integers of 1 to 5")
