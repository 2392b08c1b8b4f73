"""How fresh networks are trained and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from fredfmt.distill.augment import DEFAULT_AUGMENTATION, augmentation_for, operations
from fredfmt.distill.networks.settings import NetworkConfig
from fredfmt.distill.settings import Settings, group, setting
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.arguments import is_number, several_of
from fredfmt.model.data import FreDData
from fredfmt.model.distillation import by_name

Protocol = Literal["steps", "paper"]
SEVERITIES = (1, 2, 3, 4, 5)
"""Of corruptions."""


@dataclass(frozen=True)
class EvaluationConfig(Settings):
    """How fresh networks are trained and tested; a protocol with a name, so that results can be compared.

    ``steps``: the same number of optimizer steps whatever the size of the set. SGD with Nesterov momentum 0.9 and
    weight decay 5e-4 on the cross-entropy; the learning rate rises linearly over the first tenth of the steps and falls
    linearly to zero; every batch is augmented by one drawn operation, each image with its own parameters; the accuracy
    is that of the last step on the whole test split, without augmentation. Batches from a smaller set have every image
    once before any comes again.

    ``paper``: that of Dataset Condensation and of FreD's code, see `EvaluationConfig.paper`. SGD with momentum 0.9 and
    weight decay 5e-4 for a number of epochs (300 where nothing is augmented), the learning rate a tenth after half of
    them, every batch augmented as above.

    >>> EvaluationConfig(steps=500, seeds=5).steps
    500
    """

    where: ClassVar[str] = "evaluation"

    protocol: Protocol = setting(
        "steps", "steps: a fixed number of optimizer steps; paper: SGD for the published 1000 epochs."
    )
    steps: int = setting(1000, "steps: optimizer steps of each network.", least=1)
    epochs: int = setting(1000, "paper: epochs of each network.", least=1)
    batch: int = setting(64, "Images per optimizer step.", least=1)
    lr: float = setting(0.05, "Peak learning rate.", above=0)
    network: NetworkConfig = group(NetworkConfig)
    augmentation: str = setting(
        DEFAULT_AUGMENTATION, "Operations joined by _, one of them drawn per batch; none for none.", check=operations
    )
    seeds: int = setting(3, "Networks trained on each set; seeds 0, 1, ... decide all that is random.", least=1)

    @classmethod
    def for_data(cls, data: FreDData, **changes: Any) -> Self:
        """The protocol for data: its published settings, the augmentation that the data were made with or else that of
        their source, then changes.

        A change that is None is none; ``lr="recipe"`` is the learning rate of the data's recipe. Raises `ArgumentError`
        where they have none, for unknown settings and unusable values.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        config = cls.paper() if given.get("protocol") == "paper" else cls()
        meta = data.metadata
        made_with = by_name(meta.distillation).get("augmentation") or meta.recipe.get("augmentation")
        if not isinstance(made_with, str):
            made_with = augmentation_for(str(meta.source.get("name", "")), len(meta.spatial_shape))
        config = config.replace(augmentation=made_with)
        if given.get("lr") == "recipe":
            given["lr"] = config.following(data.metadata.recipe).lr
        return config.replace(**given)

    def following(self, recipe: Mapping[str, Any]) -> Self:
        """The same at the learning rate of a file's recipe, ``data.metadata.recipe``.

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
                hint="Give the rate as a number",
            )
        return self.replace(lr=float(rate))

    def recipe(self) -> dict[str, Any]:
        """The protocol in the few words of ``Metadata.recipe``. Its rate is the peak of a schedule, ``peak_lr``: ``lr``
        of a recipe is one that was learned with the data, and constant."""
        length = {"epochs": self.epochs} if self.protocol == "paper" else {"steps": self.steps}
        return {
            "protocol": self.protocol,
            **length,
            "batch": self.batch,
            "peak_lr": self.lr,
            "augmentation": self.augmentation,
        }

    def words(self) -> str:
        """The settings that the protocol uses, in a line for people.

        >>> EvaluationConfig(augmentation="none", network="package:factory").words()
        'steps 1000, batch 64, lr 0.05, augmentation none, seeds 3, network package:factory'
        """
        unused = {"protocol", "epochs" if self.protocol == "steps" else "steps"}
        values = {name: value for name, value in self.to_json().items() if name not in unused}
        network = values.pop("network")
        values["network"] = " ".join([network.pop("name"), *(f"{name} {value}" for name, value in network.items())])
        return ", ".join(f"{name} {value}" for name, value in values.items())

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The published protocol: 1000 epochs in batches of 256 at a rate of 0.01, five networks of width 128.

        >>> EvaluationConfig.paper(seeds=1).network.width
        128
        """
        published = cls(protocol="paper", batch=256, lr=0.01, seeds=5, network=NetworkConfig(width=128))
        return published.replace(**changes)


@dataclass(frozen=True)
class CorruptionConfig(Settings):
    """Which corruptions trained networks are tested on as well; see `fredfmt.distill.evaluation.corruptions`.

    >>> CorruptionConfig(("fog", "jpeg"), severities=(5,)).severities
    (5,)
    """

    where: ClassVar[str] = "corruptions"

    names: tuple[str, ...] = setting((), "Corruptions to test on; all if there are none.", flag=None)
    severities: tuple[int, ...] = setting((1, 3, 5), "Severities of the corruptions, 1 to 5.", flag=None)
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
