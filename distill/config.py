"""What was run, as typed and checked values that go into a file and come back out of it."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast, get_args

from fredfmt.codec.masks import MASKS
from fredfmt.codec.quantizer import Step
from fredfmt.errors import ArgumentError, located
from fredfmt.transforms import TRANSFORMS, spatial_size

Optimizer = Literal["sgd", "adam"]
MaskScope = Literal["class", "start"]
Protocol = Literal["steps", "paper"]
Norm = Literal["instance", "batch", "group", "none"]
Pooling = Literal["avg", "max"]
Precision = Literal["float32", "bfloat16", "float16"]
SEVERITIES = (1, 2, 3, 4, 5)
"""Of corruptions."""
DEFAULT_AUGMENTATION = "color_crop_cutout_flip_scale_rotate"


@dataclass(frozen=True)
class _Config:
    """A frozen dataclass that goes to JSON and back, and checks its values however it is made."""

    where: ClassVar[str]
    """What messages call it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives an equal configuration back."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value.to_json() if isinstance(value, _Config) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; fields that are missing take their defaults.

        Raises `ArgumentError` for unknown fields and unusable values.
        """
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ArgumentError("unknown settings", where=cls.where, expected=sorted(known), found=unknown)
        read = dict(values)
        if isinstance(read.get("network"), Mapping):
            read["network"] = NetworkConfig.from_json(read["network"])
        return cls(**read)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a TOML file: the names of the fields, and those of the network in a table ``[network]``.

        Fields that are missing take their defaults. Raises `ArgumentError` for a file that is not TOML, unknown fields
        and unusable values.
        """
        with located(path):
            try:
                values = tomllib.loads(Path(path).read_text())
            except (OSError, ValueError) as error:
                raise ArgumentError("cannot be read as TOML", found=error) from None
            return cls.from_json(
                {name: None if (name, value) == ("step", "float32") else value for name, value in values.items()}
            )

    def to_toml(self) -> str:
        """The text of a TOML file; `from_toml` gives an equal configuration back."""
        values = self.to_json()
        tables = {name: values.pop(name) for name in list(values) if isinstance(values[name], dict)}
        values = {name: value for name, value in values.items() if value is not None or name == "step"}
        lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
        for table, entries in tables.items():
            lines += ["", f"[{table}]", *(f"{name} = {_toml(value)}" for name, value in entries.items())]
        return "\n".join(lines) + "\n"

    def _check(self, name: str, fits: bool, expected: object) -> None:
        if not fits:
            raise ArgumentError(
                "unusable setting", where=f"{self.where}.{name}", expected=expected, found=repr(getattr(self, name))
            )

    def _whole(self, name: str, least: int = 1) -> None:
        value = getattr(self, name)
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        self._check(name, fits, f"a whole number of at least {least}")

    def _number(
        self, name: str, above: float = -math.inf, *, least: float = -math.inf, below: float = math.inf
    ) -> None:
        value = getattr(self, name)
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        fits = fits and math.isfinite(value) and above < value < below and value >= least
        limits = f"above {above:g}" if above > -math.inf else f"at least {least:g}"
        self._check(name, fits, f"a number {limits}" + (f" and below {below:g}" if below < math.inf else ""))

    def _word(self, name: str, known: tuple[str, ...] | None = None) -> None:
        value = getattr(self, name)
        self._check(name, isinstance(value, str) and (known is None or value in known), known or "a name")


def _toml(value: Any) -> str:
    return json.dumps("float32" if value is None else value)  # numbers, strings and booleans are spelled alike


@dataclass(frozen=True)
class NetworkConfig(_Config):
    """A network; see `fredfmt.distill.networks`."""

    where: ClassVar[str] = "network"

    name: str = "convnet"
    """``convnet``, ``resnet18``, ``vgg11``, ``alexnet`` or ``vit``; ``package.module:factory`` for a user's own, which
    the other fields say nothing about."""
    width: int = 32
    """Channels of the first convolution; published ConvNets have 128, which takes ten times as long on a CPU."""
    depth: int = 3
    """Number of blocks of a ConvNet or ViT; 3 for sides up to 32, one more for each doubling."""
    norm: Norm = "instance"
    """Of a ConvNet, ResNet-18 or VGG-11. Objectives pass images of all classes in one batch, which ``batch`` mixes."""
    pooling: Pooling = "avg"
    """Of a ConvNet."""

    def __post_init__(self) -> None:
        self._word("name")
        self._whole("width")
        self._whole("depth")
        self._word("norm", get_args(Norm))
        self._word("pooling", get_args(Pooling))

    @property
    def own(self) -> bool:
        """Whether this names a network that a user brought."""
        return ":" in self.name

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a user's own network has a name only."""
        return {"name": self.name} if self.own else super().to_json()


_ONLY_OF: Mapping[str, tuple[str, ...]] = {
    "batch_syn": ("frepo", "tm"),
    **dict.fromkeys(("outer_loop", "inner_loop", "lr_net"), ("dc", "dsa")),
    **dict.fromkeys(("pool", "pool_age"), ("frepo",)),
    **dict.fromkeys(("experts", "experts_digest", "batch_experts", "max_start_epoch", "expert_epochs"), ("tm",)),
    **dict.fromkeys(("syn_steps", "lr_syn", "lr_lr"), ("tm",)),
}
"""Settings that mean something to some objectives only."""


@dataclass(frozen=True)
class DistillConfig(_Config):
    """Everything that decides what `fredfmt.distill.distill` makes of a source: equal settings, equal file."""

    where: ClassVar[str] = "distillation"

    objective: str = "frepo"
    """A name in `fredfmt.distill.objectives.OBJECTIVES`."""
    ipc: float = 1.0
    """The budget as the paper counts it: numbers stored a class and channel, in units of whole images."""
    k: int = 49
    """Frequencies kept of each instance."""
    transform: str = "dct"
    mask: str = "evr"
    """A name in `fredfmt.codec.masks.MASKS`, or ``gradient``: the frequencies in which the objective, at the start, has
    the largest gradients."""
    mask_scope: MaskScope = "class"
    """What masks are chosen by: ``class``, all images of the class, or ``start``, the images that the instances start
    from, as FreD's official code does."""
    step: Step = 1.0
    """Quantisation step of the file in orthonormal units, ``"float16"``, or None for float32."""
    max_bytes: int | None = None
    """Search the step at the end instead, so that the ``.fred`` file takes at most so many bytes, and hardly fewer."""
    quantize_in_loop: bool = False
    """Whether the objective sees images decoded from rounded coefficients; gradients pass the rounding unchanged."""
    iterations: int = 1000
    optimizer: Optimizer = "adam"
    lr: float = 0.1
    """Learning rate of the coefficients of an orthonormal transform. FreD's official rates, of SGD on un-normalised
    transforms of side n, are divided by ``4 n**2``: about 30 to 250 for SGD here. Adam's rate is in the coefficients'
    own units and fits different sources and networks alike."""
    momentum: float = 0.5
    """Of SGD, or the first of Adam's two."""
    average: float = 0.99
    """Decay of the running mean of the coefficients over the iterations, which is what the file holds; 0 is the last
    iterate. It damps the noise of random networks, which would cost bits and accuracy."""
    batch_real: int = 32
    """Real images a class and iteration."""
    outer_loop: int = 1
    """Gradient matching (``dc``, ``dsa``): updates of the coefficients an iteration, with one network."""
    inner_loop: int = 1
    """Gradient matching: epochs by which the network is trained on the synthetic set between two updates."""
    lr_net: float = 0.01
    """Gradient matching: the learning rate of that."""
    batch_syn: int = 0
    """Feature regression (``frepo``): instances an iteration; trajectory matching (``tm``): instances a step. About so
    many, the same number of each class; 0 for all."""
    pool: int = 8
    """Feature regression: networks in training."""
    pool_age: int = 30
    """Feature regression: steps of training after which a network makes way for a fresh one. Old networks cost accuracy
    where there are few instances, and gain a little where there are many."""
    experts: str = ""
    """Trajectory matching: the folder of experts, made by `fredfmt.distill.train_experts`. It stands in no file."""
    experts_digest: str = ""
    """Trajectory matching: what `fredfmt.distill.Experts.digest` has to be, if anything. It stands in files and
    checkpoints, so that a run goes on and is repeated with the same experts or not at all."""
    batch_experts: int = 1
    """Trajectory matching: segments of trajectories an iteration, over which the loss is averaged."""
    max_start_epoch: int = 5
    """Trajectory matching: a segment starts after 0 to so many epochs less one of an expert."""
    expert_epochs: int = 2
    """Trajectory matching: the length of a segment, in epochs on real images."""
    syn_steps: int = 20
    """Trajectory matching: steps on synthetic images that shall lead as far."""
    lr_syn: float = 0.01
    """Trajectory matching: the learning rate of these steps, at first. It is learnt, and what it has become stands in
    the file's recipe."""
    lr_lr: float = 0.01
    """Trajectory matching: the learning rate of the logarithm of that, which Adam changes by about so much an
    iteration; 0 keeps it. Rates published for SGD on the learning rate itself are divided by ``lr_syn ** 2``."""
    learn_labels: bool = False
    """Whether labels are soft and learnt too, where the objective gives them a gradient (``frepo``, ``tm``). They are
    stored in sixteenths."""
    lr_labels: float = 0.05
    """Learning rate of the scores whose softmax the labels are."""
    base: bool = False
    """Store each mask's mean spectrum once and instances relative to it."""
    rate: float = 0.0
    """Weight of an estimate of the bits of a coefficient, log2(1 + |value| / step), in the loss."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: str = DEFAULT_AUGMENTATION
    """Names of `fredfmt.distill.augment.OPERATIONS` joined by ``_``, one drawn an iteration; or ``none``. ``dc`` does
    without."""
    zca: bool = False
    """Whiten the images by the statistics of the train split, and learn in that space: the file holds whitened images
    and says so. See `fredfmt.data.sources.ZCA`."""
    zca_epsilon: float = 0.1
    """Added to the variances when whitening; of pixels in 0..1."""
    precision: Precision = "float32"
    """What networks compute in. Coefficients, images and losses are float32 in any case."""
    compile: bool = False
    """Whether networks go through ``torch.compile``; not for objectives that take gradients of gradients."""
    seed: int = 0

    def __post_init__(self) -> None:
        self._word("objective")
        self._number("ipc", above=0)
        self._whole("k")
        self._word("transform", tuple(sorted(TRANSFORMS)))
        self._word("mask", tuple(sorted({*MASKS, "gradient"})))
        self._word("mask_scope", get_args(MaskScope))
        if not (self.step is None or self.step == "float16"):
            self._number("step", above=0)
        if self.max_bytes is not None:
            self._whole("max_bytes")
        self._check("quantize_in_loop", isinstance(self.quantize_in_loop, bool), "true or false")
        if self.quantize_in_loop:
            self._check("step", isinstance(self.step, int | float), "a number, for quantize_in_loop")
        self._whole("iterations")
        self._word("optimizer", get_args(Optimizer))
        self._number("lr", above=0)
        self._number("momentum", least=0, below=1)
        self._number("average", least=0, below=1)
        self._whole("batch_real")
        self._whole("outer_loop")
        self._whole("inner_loop", 0)
        self._number("lr_net", above=0)
        self._whole("batch_syn", 0)
        self._whole("pool")
        self._whole("pool_age")
        for name in ("experts", "experts_digest"):
            self._check(name, isinstance(getattr(self, name), str), "text")
        for name in ("batch_experts", "max_start_epoch", "expert_epochs", "syn_steps"):
            self._whole(name)
        self._number("lr_syn", above=0)
        self._number("lr_lr", least=0)
        self._check("learn_labels", isinstance(self.learn_labels, bool), "true or false")
        self._number("lr_labels", above=0)
        self._check("base", isinstance(self.base, bool), "true or false")
        self._number("rate", least=0)
        if self.rate:
            self._check("step", isinstance(self.step, int | float), "a number, for rate")
        self._check("network", isinstance(self.network, NetworkConfig), "a NetworkConfig")
        self._word("augmentation")
        self._check("zca", isinstance(self.zca, bool), "true or false")
        self._number("zca_epsilon", above=0)
        self._word("precision", get_args(Precision))
        self._check("compile", isinstance(self.compile, bool), "true or false")
        self._whole("seed", 0)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without defaults that mean nothing to the objective: they would cost bytes of the file."""
        idle = {
            entry.name: entry.default
            for entry in fields(self)
            if self.objective not in _ONLY_OF.get(entry.name, (self.objective,))
        }
        return {name: value for name, value in super().to_json().items() if name not in idle or value != idle[name]}

    def recipe(self) -> dict[str, Any]:
        """For ``Metadata.recipe``, where nothing was learnt of how to train: the protocol ``steps``."""
        return EvaluationConfig(augmentation=self.augmentation).recipe()

    def instances_per_class(self, spatial_shape: tuple[int, ...]) -> int:
        """``floor(ipc * positions / k)``, at least one.

        Raises `ArgumentError` if the budget is less than one instance, or k more than there are frequencies.
        """
        size = spatial_size(spatial_shape)
        if self.k > size:
            raise ArgumentError("k is out of range", expected=f"1 to {size}, all frequencies", found=self.k)
        count = math.floor(self.ipc * size / self.k + 1e-9)
        if count < 1:
            raise ArgumentError(
                "the budget is less than one instance a class",
                expected=f"ipc of at least {self.k / size:.3g}, or k of at most {math.floor(self.ipc * size)}",
                found=f"ipc={self.ipc:g}, k={self.k}",
            )
        return count

    @property
    def rate_step(self) -> float:
        """The step of ``rate``."""
        return float(cast(float, self.step))

    @property
    def loop_step(self) -> float | None:
        """The step by which the objective sees coefficients rounded, if it does."""
        return float(cast(float, self.step)) if self.quantize_in_loop else None


@dataclass(frozen=True)
class ExpertConfig(_Config):
    """How experts are trained on real images: SGD on the cross-entropy, every batch augmented by one drawn operation,
    each image with its own parameters. The rate and the batch are those of Cazenavette et al. (2022)."""

    where: ClassVar[str] = "experts"

    epochs: int = 10
    """As many as trajectory matching needs: ``max_start_epoch - 1 + expert_epochs`` at least."""
    batch: int = 256
    lr: float = 0.01
    momentum: float = 0.0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: str = DEFAULT_AUGMENTATION
    zca: bool = False
    """Train on whitened images, for a distillation that does."""
    zca_epsilon: float = 0.1
    seed: int = 0
    """With the number of an expert it decides parameters, order and augmentation."""

    def __post_init__(self) -> None:
        self._whole("epochs")
        self._whole("batch")
        self._number("lr", above=0)
        self._number("momentum", least=0, below=1)
        self._check("network", isinstance(self.network, NetworkConfig), "a NetworkConfig")
        self._word("augmentation")
        self._check("zca", isinstance(self.zca, bool), "true or false")
        self._number("zca_epsilon", above=0)
        self._whole("seed", 0)


@dataclass(frozen=True)
class EvaluationConfig(_Config):
    """How fresh networks are trained and tested; a protocol with a name, so that results can be compared."""

    where: ClassVar[str] = "evaluation"

    protocol: Protocol = "steps"
    """``steps``: the same number of optimiser steps whatever the size of the set. SGD with Nesterov momentum 0.9 and
    weight decay 5e-4 on the cross-entropy; the learning rate rises linearly over the first tenth of the steps and falls
    linearly to zero; every batch is augmented by one drawn operation, each image with its own parameters; the accuracy
    is that of the last step on the whole test split, without augmentation.

    ``paper``: that of Dataset Condensation and of FreD's code, see `EvaluationConfig.paper`. SGD with momentum 0.9 and
    weight decay 5e-4 for a number of epochs, the learning rate a tenth after half of them, every batch augmented as
    above."""
    steps: int = 300
    """Of ``steps``."""
    epochs: int = 1000
    """Of ``paper``; 300 where nothing is augmented."""
    batch: int = 64
    """Images a step; in ``steps`` also from a smaller set, every image once before any comes again."""
    lr: float = 0.05
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: str = DEFAULT_AUGMENTATION
    seeds: int = 3
    """Number of networks trained: seeds 0, 1, ... decide parameters, order and augmentation."""

    def __post_init__(self) -> None:
        self._word("protocol", get_args(Protocol))
        self._whole("steps")
        self._whole("epochs")
        self._whole("batch")
        self._number("lr", above=0)
        self._check("network", isinstance(self.network, NetworkConfig), "a NetworkConfig")
        self._word("augmentation")
        self._whole("seeds")

    def following(self, recipe: Mapping[str, Any]) -> Self:
        """The same at the learning rate of a file's recipe, ``data.metadata.recipe``.

        Raises `ArgumentError` if it has none.
        """
        rate = recipe.get("lr", recipe.get("peak_lr"))
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise ArgumentError(
                "the recipe of the data has no learning rate",
                where="metadata: recipe.lr, or peak_lr",
                expected="a number",
                found=rate,
                hint="Give the rate as a number",
            )
        return replace(self, lr=float(rate))

    def recipe(self) -> dict[str, Any]:
        """The protocol in the few words of ``Metadata.recipe``. Its rate is the peak of a schedule, ``peak_lr``: ``lr``
        of a recipe is one that was learnt with the data, and constant."""
        length = {"epochs": self.epochs} if self.protocol == "paper" else {"steps": self.steps}
        return {
            "protocol": self.protocol,
            **length,
            "batch": self.batch,
            "peak_lr": self.lr,
            "augmentation": self.augmentation,
        }

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The published protocol: 1000 epochs in batches of 256 at a rate of 0.01, five networks of width 128."""
        published: dict[str, Any] = {"protocol": "paper", "batch": 256, "lr": 0.01, "seeds": 5}
        return cls(**(published | {"network": NetworkConfig(width=128)} | changes))


@dataclass(frozen=True)
class CorruptionConfig(_Config):
    """Which corruptions trained networks are tested on as well; see `fredfmt.distill.evaluation.corruptions`."""

    where: ClassVar[str] = "corruptions"

    names: tuple[str, ...] = ()
    """Names in `fredfmt.distill.evaluation.corruptions.CORRUPTIONS`; all if there are none."""
    severities: tuple[int, ...] = (1, 3, 5)
    """Of 1 to 5."""
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "severities", tuple(self.severities))
        self._check("names", all(isinstance(name, str) for name in self.names), "names")
        self._check("names", len(set(self.names)) == len(self.names), "names that differ")
        fits = len(set(self.severities)) == len(self.severities) > 0 and set(self.severities) <= set(SEVERITIES)
        self._check("severities", fits, "different whole numbers of 1 to 5")
        self._whole("seed", 0)
