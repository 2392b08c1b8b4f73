"""The settings of `distill` that `plan` and `encode` share. Does not need torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from fredfmt.codec.inputs import ChannelTransform
from fredfmt.codec.masks import MASKS
from fredfmt.codec.quantizer import Step
from fredfmt.distill.settings import Settings, setting
from fredfmt.transforms import TRANSFORMS

MaskScope = Literal["class", "start"]
Effort = Literal["quick", "default", "best"]
"""The length of runs and trials if settings are chosen automatically."""
Labels = Literal["hard", "soft"]


@dataclass(frozen=True)
class BudgetSettings(Settings):
    """How much is stored, and how exactly."""

    where: ClassVar[str] = "distillation.budget"

    ipc: float = setting(1.0, "Coefficients stored per class and channel, in units of whole images.", above=0)
    step: Step = setting(
        1.0,
        "Quantization step in orthonormal units; float16 or float32 to store without quantization.",
        above=0,
        none="float32",
        metavar="NUMBER|float16|float32",
    )
    max_bytes: int | None = setting(
        None, "Maximum size of the .fred file in bytes; the step is searched to fit it.", least=1, flag="--bytes"
    )
    quantize_in_loop: bool = setting(
        False, "Round coefficients before they are decoded for the objective (straight-through gradient)."
    )
    rate: float | Literal["auto"] = setting(
        0.0,
        "Weight of the rate term, the estimated bits per coefficient, log2(1 + |value| / step); auto: adjusted during "
        "the run so that the file meets its budget at about the given step.",
        least=0,
        metavar="NUMBER|auto",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("quantize_in_loop", "rate"):
            if getattr(self, name) and not isinstance(self.step, int | float):
                raise self._unusable("step", f"a number, for {name}")
        if self.max_bytes is not None and not isinstance(self.step, int | float):
            raise self._unusable("step", "a number, as max_bytes searches the step")
        if self.steered and self.max_bytes is None:
            raise self._unusable("max_bytes", "a number of bytes, for rate auto")

    @property
    def steered(self) -> bool:
        """Whether the weight of the rate term is adjusted to the size of the file."""
        return self.rate == "auto"

    @property
    def near(self) -> float | None:
        """The step near which that of the file is searched, if the loop has kept the size within the budget."""
        return self.number if self.steered else None

    @property
    def number(self) -> float:
        """The step, if it is a number."""
        return float(cast(float, self.step))

    @property
    def loop_step(self) -> float | None:
        """The step to which coefficients are rounded for the objective, if they are."""
        return self.number if self.quantize_in_loop else None


@dataclass(frozen=True)
class FrequencySettings(Settings):
    """What is stored of an image: which frequencies of which transform."""

    where: ClassVar[str] = "distillation.frequencies"

    k: int = setting(49, "Frequencies kept per instance and channel.", least=1)
    transform: str = setting("dct", "Transform of the images.", choices=tuple(sorted(TRANSFORMS)))
    mask: str = setting(
        "evr",
        "How frequencies are chosen; gradient: by the size of the objective's gradients at the start.",
        choices=tuple(sorted({*MASKS, "gradient"})),
    )
    mask_scope: MaskScope = setting(
        "class",
        "Choose masks from all images of the class, or from those that the instances start from, as FreD's code does.",
    )
    channel_transform: ChannelTransform = setting(
        "auto",
        "Also transform along the channels; auto: of images of three channels that are stored as integers.",
    )
    base: bool = setting(False, "Store the mean spectrum of each mask once, and instances relative to it.")

    @property
    def transform_options(self) -> dict[str, Any]:
        """The options of `fredfmt.encode` for both transforms."""
        return {"transform": self.transform, "channel_transform": self.channel_transform}


@dataclass(frozen=True, kw_only=True)
class WhiteningSettings(Settings):
    """Whether real images are whitened."""

    where: ClassVar[str] = "whitening"

    zca: bool = setting(False, "Whiten the images by the statistics of the train split; the file records it.")
    zca_epsilon: float = setting(
        0.1, "Added to the eigenvalues of the covariance when whitening pixels in 0..1.", above=0
    )
