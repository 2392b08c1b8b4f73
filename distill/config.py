"""What was run, as typed and checked values that go into a file and come back out of it."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast, get_args

from fredfmt.errors import ArgumentError, located
from fredfmt.masks import MASKS
from fredfmt.quantizer import Step
from fredfmt.transforms import TRANSFORMS, spatial_size

Optimizer = Literal["sgd", "adam"]
MaskScope = Literal["class", "start"]
Protocol = Literal["steps", "paper"]
Norm = Literal["instance", "batch", "group", "none"]
Pooling = Literal["avg", "max"]
Precision = Literal["float32", "bfloat16", "float16"]
DEFAULT_AUGMENTATION = "color_crop_cutout_flip_scale_rotate"


@dataclass(frozen=True)
class _Config:
    """A frozen dataclass that goes to JSON and back, and checks its values however it is made."""

    where: ClassVar[str]
    """What messages call it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives an equal configuration back."""
        return asdict(self)

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
    """``convnet``, ``resnet18``, ``vgg11``, ``alexnet`` or ``vit``."""
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


@dataclass(frozen=True)
class DistillConfig(_Config):
    """Everything that decides what `fredfmt.distill.distill` makes of a source: equal settings, equal file."""

    where: ClassVar[str] = "distillation"

    objective: str = "dm"
    """A name in `fredfmt.distill.objectives.OBJECTIVES`."""
    ipc: float = 1.0
    """The budget as the paper counts it: numbers stored a class and channel, in units of whole images."""
    k: int = 49
    """Frequencies kept of each instance."""
    transform: str = "dct"
    mask: str = "evr"
    """A name in `fredfmt.masks.MASKS`, or ``gradient``: the frequencies in which the objective, at the start, has the
    largest gradients."""
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
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: str = DEFAULT_AUGMENTATION
    """Names of `fredfmt.distill.augment.OPERATIONS` joined by ``_``, one drawn an iteration; or ``none``. ``dc`` does
    without."""
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
        self._check("network", isinstance(self.network, NetworkConfig), "a NetworkConfig")
        self._word("augmentation")
        self._word("precision", get_args(Precision))
        self._check("compile", isinstance(self.compile, bool), "true or false")
        self._whole("seed", 0)

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
    def loop_step(self) -> float | None:
        """The step by which the objective sees coefficients rounded, if it does."""
        return float(cast(float, self.step)) if self.quantize_in_loop else None


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

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The published protocol: 1000 epochs in batches of 256 at a rate of 0.01, five networks of width 128."""
        published: dict[str, Any] = {"protocol": "paper", "batch": 256, "lr": 0.01, "seeds": 5}
        return cls(**(published | {"network": NetworkConfig(width=128)} | changes))
