"""The parts of the metadata that define how stored numbers are converted to images."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, located
from fredfmt.model.typed import Json, finite, mapping, number, several, text

DIGEST = re.compile("sha256:[0-9a-f]{64}")
"""The form of a digest."""

Mode = Literal["uniform", "float16", "float32"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True)
class Quantization:
    """How coefficients are quantised, and the resulting error.

    Raises `FormatError` for an unknown mode, and for a step that is not above 0 or does not belong to the mode.

    >>> Quantization("uniform", step=0.5).step, Quantization("float32").step
    (0.5, None)
    """

    mode: Mode
    step: float | None = None
    """For ``uniform``: the value of a coefficient is its integer times ``step``, in orthonormal units."""
    error_max: float | None = None
    """Largest absolute error of a kept coefficient."""
    error_rms: float | None = None
    """Root mean square error of the kept coefficients."""

    def __post_init__(self) -> None:
        text(self.mode)
        for name, read in (("step", number), ("error_max", finite), ("error_rms", finite)):
            value = getattr(self, name)
            if value is not None:
                with located(name):
                    object.__setattr__(self, name, read(value))
        if self.mode not in MODES:
            raise FormatError(
                "unknown quantization mode",
                where="quantization.mode",
                expected=" or ".join(MODES),
                found=self.mode,
                rule="FRED-119",
            )
        if (self.mode == "uniform") != (self.step is not None):
            raise FormatError(
                "uniform quantization needs a step, and the other modes have none",
                where="quantization",
                found=f"mode {self.mode}, step {self.step}",
                rule="FRED-119",
            )
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise FormatError(
                "the step is unusable", where="quantization.step", expected="> 0", found=self.step, rule="FRED-119"
            )


@dataclass(frozen=True)
class Normalization:
    """The normalisation of images: ``(x - mean) / std`` of pixels x in 0..1, one value per channel.

    Raises `FormatError` for different numbers of values, values that are not finite, or a std that is not above 0.

    >>> Normalization(mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.25]).mean
    (0.5, 0.4, 0.3)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", several(number, self.mean))
        object.__setattr__(self, "std", several(number, self.std))
        if len(self.mean) != len(self.std) or not self.mean:
            raise FormatError(
                "mean and std must have one value per channel", where="normalization", found=self, rule="FRED-120"
            )
        if not all(map(math.isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise FormatError(
                "mean must be finite and std positive", where="normalization", found=self, rule="FRED-120"
            )

    def moments(self, axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation, (C, 1, ...) float64 each, for images with this number of spatial axes: ``x * std
        + mean`` is in 0..1 again.

        >>> [part.shape for part in Normalization((0.5, 0.4), (0.2, 0.3)).moments(2)]
        [(2, 1, 1), (2, 1, 1)]
        """
        shape = (-1, *(1,) * axes)
        return np.array(self.mean).reshape(shape), np.array(self.std).reshape(shape)


@dataclass(frozen=True)
class Whitening:
    """How images were whitened: ``W (y - m)`` of images y in the space of the normalisation, each as one vector.

    ``W = (S + epsilon I) ** -1/2``, where m and S are the mean and the covariance of a set of images.

    Raises `FormatError` for another method, an epsilon that is not above 0, or ``images`` that are not a digest.

    >>> Whitening("zca", 0.1, source={"name": "cifar10", "split": "train"}).epsilon
    0.1
    """

    method: str
    """``zca``."""
    epsilon: float
    images: str | None = None
    """Digest of the images from which m and S were computed; None: unknown."""
    source: Json = field(default_factory=dict)
    """Which images these are: name, split, number, selection."""

    def __post_init__(self) -> None:
        text(self.method)
        object.__setattr__(self, "epsilon", number(self.epsilon))
        if self.images is not None:
            text(self.images)
        object.__setattr__(self, "source", mapping(self.source))
        if self.method != "zca":
            raise FormatError("unknown", where="whitening.method", expected="zca", found=self.method, rule="FRED-121")
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise FormatError(
                "unusable", where="whitening.epsilon", expected="above 0", found=self.epsilon, rule="FRED-121"
            )
        if self.images is not None and not DIGEST.fullmatch(self.images):
            raise FormatError(
                "not a digest",
                where="whitening.images",
                expected="sha256: and 64 lower-case hexadecimal digits",
                found=self.images,
                rule="FRED-121",
            )


def fields_of(value: Any, known: set[str], required: set[str]) -> Json:
    values = mapping(value)
    if set(values) - known or required - set(values):
        raise FormatError(
            "fields are missing or unknown", expected=sorted(required | known), found=sorted(values), rule="FRED-113"
        )
    return values


def read_quantization(value: Any) -> Quantization:
    if isinstance(value, Quantization):
        return value
    values = fields_of(value, {entry.name for entry in fields(Quantization)}, {"mode"})
    return Quantization(values["mode"], **{key: number(part) for key, part in values.items() if key != "mode"})


def read_normalization(value: Any) -> Normalization:
    if isinstance(value, Normalization):
        return value
    return Normalization(**fields_of(value, {"mean", "std"}, {"mean", "std"}))


def read_whitening(value: Any) -> Whitening:
    if isinstance(value, Whitening):
        return value
    values = fields_of(value, {entry.name for entry in fields(Whitening)}, {"method", "epsilon"})
    if "images" in values:
        text(values["images"])
    return Whitening(**values)
