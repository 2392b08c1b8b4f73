"""The space of imported images, from the facts of the file and of the caller."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, SourceError, located
from fredfmt.exchange.importers.facts import KNOWN, Facts, asking_together, missing
from fredfmt.exchange.importers.found import Found
from fredfmt.exchange.importers.readers import READERS, form_of
from fredfmt.model import limits as limits_
from fredfmt.model.parts import Normalization, Whitening

_INVERSES = ("rev_whitening_transform", "transform_inv", "inverse")
_MEANS = ("zca_mean", "mean", "mean_vector")
LOWEST, HIGHEST = -1.0, 2.0
"""The range of distilled pixels in 0..1; other values are not pixels."""


@dataclass(frozen=True)
class Placed:
    """Images and their space."""

    images: NDArray[np.float32]
    normalization: Normalization | None
    whitening: Whitening | None = None
    """The record of the whitening, if images stay whitened."""
    notes: Mapping[str, Any] = field(default_factory=dict)


def in_space(found: Found, kind: str, facts: Facts) -> Placed:
    """The images as float32 with their space. Raises `ArgumentError` for a missing fact; the message names the
    option."""
    images = found.images
    if images.dtype == np.uint8:
        if facts.mean or facts.std or facts.unit:
            raise ArgumentError("uint8 images are in 0..1 already", hint="Omit --unit, --mean and --std")
        if facts.zca not in (None, "no"):
            raise ArgumentError("uint8 images are not ZCA-whitened", hint="Omit --zca")
        return Placed((images / np.float32(255)).astype(np.float32), None, notes={"space": "0..1, from bytes"})
    if not np.isfinite(images).all():
        raise SourceError("images contain NaN or infinity", hint="The distillation diverged: use another file")
    notes: dict[str, Any] = {}
    exact = np.asarray(images, np.float32)
    if images.dtype == np.float64:
        notes["rounding"] = float(np.abs(images - exact).max())
    whitened, normalization, epsilon = asking_together(
        lambda: _whitened(found, facts),
        lambda: _normalization(found, kind, facts, None if found.missing else images.shape[1]),
        lambda: _epsilon(facts),
    )
    if whitened and facts.zca == "keep":
        notes["space"] = "ZCA-whitened, not pixels; test images need the same whitening"
        source = {} if facts.dataset is None else {"name": facts.dataset, "split": "train"}
        return Placed(exact, normalization, Whitening("zca", epsilon, source=source), notes)
    if whitened:
        exact = _undone(exact, Path(str(facts.zca)))
        notes["whitening"] = f"undone with {Path(str(facts.zca)).name}"
    notes["space"] = "0..1" if normalization is None else "normalised"
    low, high = float(exact.min()), float(exact.max())
    if facts.unit and not LOWEST <= low <= high <= HIGHEST:
        raise ArgumentError(
            "--unit does not fit: images are not in 0..1",
            found=f"{low:g} to {high:g}",
            hint="If they are pixels that the distillation moved out of 0..1, give --mean 0 --std 1 (a value per"
            " channel); else give the mean and std of their normalisation",
        )
    return Placed(exact, normalization, notes=notes)


def _whitened(found: Found, facts: Facts) -> bool:
    if found.whitened is False:
        if facts.zca not in (None, "no"):
            raise ArgumentError("this kind of file is not ZCA-whitened", hint="Omit --zca")
        return False
    if facts.zca is None:
        raise missing(
            "whether its images are ZCA-whitened",
            "--no-zca, --zca MATRIX or --zca keep",
            "Look for --zca in the command that made it; MTT writes images_zca_N.pt, a copy without whitening, only if"
            " it whitened",
        )
    return facts.zca != "no"


def _epsilon(facts: Facts) -> float | None:
    """The epsilon of images that stay whitened."""
    if facts.zca != "keep":
        if facts.zca_epsilon is not None:
            raise ArgumentError(
                "--zca-epsilon applies only to images that stay whitened", expected="--zca keep with it"
            )
        return None
    if facts.zca_epsilon is None:
        raise missing(
            "the epsilon that was added to the eigenvalues of the covariance when its images were whitened",
            "--zca-epsilon",
            "0.1 in MTT and other projects with Kornia's ZCAWhitening(eps=0.1); in kernel methods a factor (zca_reg,"
            " reg_coef, 0.1 in RFAD) times the mean variance of normalised pixels, which is close to 1",
        )
    if not 0 < facts.zca_epsilon < math.inf:
        raise ArgumentError("unusable --zca-epsilon", expected="a number above 0", found=facts.zca_epsilon)
    return facts.zca_epsilon


def _undone(images: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """``images`` times the inverse of the whitening plus the mean, as pixels in (C, H, W) or (H, W, C) order."""
    if not path.is_file():
        raise ArgumentError("no such file", where=str(path), expected="--zca no, keep or a file with the inverse")
    with located(path):
        content = path.read_bytes()
        values = READERS[form_of(content, path.name)](content, limits_.DEFAULT)
        values = values if isinstance(values, dict) else {}
        inverse = next((values[name] for name in _INVERSES if name in values), None)
        mean = next((values[name] for name in _MEANS if name in values), None)
        size = images[0].size
        if inverse is None or mean is None or np.shape(inverse) != (size, size) or np.size(mean) != size:
            raise SourceError(
                "the matrix does not fit these images",
                expected=f"{_INVERSES[0]} or {_INVERSES[1]} ({size}, {size}), and mean ({size},)",
                found=", ".join(f"{name} {np.shape(array)}" for name, array in values.items()) or "no arrays",
            )
        last = "rev_whitening_transform" in values  # FRePo's matrices are for (H, W, C)
        laid_out = np.moveaxis(images, 1, -1) if last else images
        flat = laid_out.reshape(len(images), -1).astype(np.float64) @ inverse + mean.reshape(1, -1)
        undone = flat.reshape(laid_out.shape).astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(undone, -1, 1) if last else undone)


def _normalization(found: Found, kind: str, facts: Facts, channels: int | None) -> Normalization | None:
    if (facts.mean is None) != (facts.std is None):
        raise ArgumentError("mean and std belong together", expected="--mean and --std")
    if found.unit:
        if facts.mean is not None:
            raise ArgumentError("images of this kind are in 0..1", hint="Omit --mean and --std")
        return None
    if facts.unit:
        if facts.mean is not None:
            raise ArgumentError("images are either in 0..1 or normalised", expected="--unit or --mean")
        return None
    whitened = facts.zca not in (None, "no")
    if facts.mean is not None and facts.std is not None:
        mean, std = facts.mean, facts.std
    elif whitened and found.whitens_pixels:
        return None
    elif facts.dataset is not None:
        mean, std = KNOWN[facts.dataset].of(facts.dataset, kind)
    else:
        raise missing(
            "how its images were normalised" + (" before they were whitened" if whitened else ""),
            "--mean and --std, --dataset, or --unit",
            "Look for Normalize or mean in get_dataset of the code that made it",
        )
    if channels is not None and not len(mean) == len(std) == channels:
        raise ArgumentError("not one mean and std per channel", expected=f"{channels} values", found=(mean, std))
    return Normalization(tuple(mean), tuple(std))
