"""Imports the files of other projects.

An importer is a function ``(content, facts) -> Found | None``; None means that the file is of another kind. Kinds are
recognised by structure alone. To add one, add a module to this package and a line to `IMPORTERS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.encoder import encode
from fredfmt.codec.quantizer import Step
from fredfmt.errors import ArgumentError, SourceError, located
from fredfmt.exchange.importers.advice import size_warnings
from fredfmt.exchange.importers.arrays import arrays
from fredfmt.exchange.importers.content import Content, open_content
from fredfmt.exchange.importers.dc import dc
from fredfmt.exchange.importers.facts import KNOWN, Facts, asking_together, missing
from fredfmt.exchange.importers.fields import fields
from fredfmt.exchange.importers.flax import flax
from fredfmt.exchange.importers.folder import folder
from fredfmt.exchange.importers.found import Found
from fredfmt.exchange.importers.labels import class_labels
from fredfmt.exchange.importers.masked import mask_of_classes
from fredfmt.exchange.importers.packed import packed
from fredfmt.exchange.importers.pair import pair
from fredfmt.exchange.importers.space import in_space
from fredfmt.exchange.importers.tensor import tensor
from fredfmt.exchange.importers.triple import triple
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData, hard_labels
from fredfmt.model.limits import Limits
from fredfmt.transforms import spatial_size

Importer: TypeAlias = Callable[[Content, Facts], Found | None]

IMPORTERS: Mapping[str, Importer] = MappingProxyType(
    {
        "dc": dc,
        "fields": fields,
        "flax": flax,
        "packed": packed,
        "triple": triple,
        "pair": pair,
        "arrays": arrays,
        "tensor": tensor,
        "folder": folder,
    }
)
"""In order from the most specific structure to the least; the first that recognises a file imports it."""

NOTES = "fredfmt.import"
"""The key in ``Metadata.ext`` under which an imported file records its origin."""

__all__ = ["IMPORTERS", "KNOWN", "NOTES", "Facts", "import_file", "size_warnings"]


def import_file(
    path: str | os.PathLike[str],
    facts: Facts | None = None,
    *,
    kind: str | None = None,
    transform: str | None = None,
    k: int | None = None,
    mask: str | None = None,
    step: Step = None,
    seed: int = 0,
    limits: Limits = limits_.DEFAULT,
) -> FreDData:
    """Import the images and labels of another project's file, exactly or transformed.

    Parameters
    ----------
    path
        A file, or a folder that holds one such file or image files in one folder per class.
    facts
        Facts that the file does not contain. Nothing is guessed: the error for a missing fact names its option.
    kind
        A name in `IMPORTERS`; None recognises the kind by the structure of the file.
    transform
        None stores exact pixels (``identity``, float32), or, if FreD's mask is in the folder of the images, the DCT
        coefficients that it keeps. Other transforms use ``k``, ``mask`` and ``step`` as `encode` does, and record the
        error in ``metadata.reconstruction``. With FreD's mask, ``k`` selects some of its frequencies.
    mask
        None: ``evr`` if every class has two images or more, ``amplitude`` if every class has one, else ``low``.
    limits
        The largest sizes that are accepted.

    Raises
    ------
    SourceError, LimitError
        For a file that is not recognised, damaged, hostile or beyond the limits. No code in a file is ever executed.
    ArgumentError
        For a fact that is missing or contradicts the file; the message names the option.

    Examples
    --------
    >>> import numpy as np
    >>> from fredfmt.exchange.importers import Facts, import_file
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> np.savez("pets.npz", images=images, labels=np.array([0, 0, 1, 1]))
    >>> import_file("pets.npz", Facts(unit=True, zca="no", classes=("cat", "dog")))
    FreDData: 4 instances of 3x8x12, 2 classes, k=96 identity, float32
      coefficients 4x3x96          float32
      frequencies  2x96            uint16
      labels       4               uint8
      mask_of      4               uint8
    """
    facts = facts or Facts()
    if facts.dataset is not None and facts.dataset not in KNOWN:
        raise ArgumentError(
            "unknown dataset",
            expected=", ".join(KNOWN),
            found=facts.dataset,
            hint="Give --mean, --std and --classes",
        )
    path = Path(path)
    content = open_content(path, labels_file=facts.labels_file, limits=limits)
    with located(path):
        kind, found = _recognised(content, facts, kind)
        if not 3 <= found.images.ndim <= 5 or min(found.images.shape) < 1:
            raise SourceError("not images", expected="(N, C, *spatial)", found=found.images.shape)
        _, placed, (labels, classes, words), recipe = asking_together(
            found.check_complete,
            lambda: in_space(found, kind, facts),
            lambda: class_labels(found, facts, len(found.images)),
            lambda: _recipe(found, facts),
        )
        images = placed.images
        size = spatial_size(images.shape[2:])
        described: dict[str, Any] = {
            "kind": kind,
            "files": list(content.files),
            "labels": words,
            **placed.notes,
            **found.notes,
        }
        shared: dict[str, Any] = {
            "channels": images.shape[1],
            "normalization": placed.normalization,
            "whitening": placed.whitening,
            "classes": classes,
            "recipe": recipe,
            "source": {} if facts.dataset is None else {"name": facts.dataset},
            "ext": {NOTES: described},
            "seed": seed,
        }
        if transform in (None, "dct") and found.mask is not None:
            given = mask_of_classes(found.mask, images, labels, len(classes), hint=found.mask_hint)
            most = given.shape[1]
            if k is not None and k > most:
                raise ArgumentError(
                    "FreD's mask has fewer frequencies", where="--k", expected=f"at most {most}", found=k
                )
            if k in (None, most):
                return encode(images, labels, k=most, mask=given, step=step, **shared)
        if transform in (None, "identity") and k is None:
            return encode(images, labels, k=size, transform="identity", mask="low", step=step, **shared)
        mask = mask or _mask_for(labels, len(classes), size, k or size)
        return encode(images, labels, k=k or size, transform=transform or "dct", mask=mask, step=step, **shared)


def _mask_for(labels: NDArray[Any], classes: int, size: int, k: int) -> str:
    """The default mask strategy for these numbers of images per class: a variance needs two images, a mean one."""
    fewest = int(np.bincount(hard_labels(labels), minlength=classes).min())
    return "low" if k == size or fewest == 0 else "amplitude" if fewest == 1 else "evr"


def _recognised(content: Content, facts: Facts, kind: str | None) -> tuple[str, Found]:
    if kind is not None and kind not in IMPORTERS:
        raise ArgumentError("unknown kind of file", expected=f"one of {', '.join(IMPORTERS)}", found=kind)
    for name in IMPORTERS if kind is None else (kind,):
        found = IMPORTERS[name](content, facts)
        if found is not None:
            return name, found
    raise SourceError(
        f"not of the kind {kind}" if kind else "no images and labels are recognised",
        expected="the structure of one of these: " + ", ".join(IMPORTERS),
        found=_described(content.value),
        hint="Save images and labels as arrays of these names in one .npz",
    )


def _described(value: Any) -> str:
    """A short description of a value, for errors."""
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {value.shape}"
    if isinstance(value, dict):
        return "a dict with " + (", ".join(str(key)[:32] for key in list(value)[:8]) or "nothing")
    if isinstance(value, list | tuple):
        return (
            f"a {type(value).__name__} of {len(value)}, the first {_described(value[0])[:80] if value else 'missing'}"
        )
    return type(value).__name__


def _recipe(found: Found, facts: Facts) -> dict[str, Any]:
    if facts.lr == "unknown":
        return {}
    rate = facts.lr if facts.lr is not None else found.lr
    if rate is None:
        if found.lr_learned:
            raise missing(
                "the learning rate that belongs to its images",
                "--lr RATE, or --lr unknown",
                "These projects only log it (syn_lr, Synthetic_LR in log.txt or wandb)",
            )
        return {}
    if not 0 < rate < 1e6:
        raise ArgumentError("unusable learning rate", expected="a number above 0", found=rate)
    return {"lr": rate}
