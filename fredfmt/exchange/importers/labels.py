"""What labels mean: arrays of any kind in, integers or probabilities out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError, SourceError
from fredfmt.exchange.importers.facts import KNOWN, Facts, missing
from fredfmt.exchange.importers.found import Found

_SUM = 0.01
_EXACT = 1e-4
_LARGEST_CHANGE = 0.5
"""Largest accepted change of a learned score to a probability."""


def class_labels(found: Found, facts: Facts, count: int) -> tuple[NDArray[Any], tuple[str, ...], str]:
    """(count,) int64 or (count, classes) float32 labels, the class names, and in words what the labels were."""
    names = _names(found, facts)
    if found.labels is None:
        labels, words = _class_major(facts, names, count)
    else:
        labels, words = _read(np.asarray(found.labels), found, facts)
    if len(labels) != count:
        raise SourceError("not one label per image", where="labels", expected=count, found=len(labels))
    number = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    if names is None:
        if facts.classes != "numbers":
            raise missing(
                f"what its {number} classes are",
                "--classes A,B,..., --dataset, or --classes numbers",
                "Their order is that of the real data set's labels",
            )
        names = tuple(map(str, range(number)))
    if len(names) < number or (labels.ndim == 2 and len(names) != number):
        raise ArgumentError("class names do not fit the labels", expected=f"{number} names", found=len(names))
    return labels, names, words


def _names(found: Found, facts: Facts) -> tuple[str, ...] | None:
    if isinstance(facts.classes, tuple):
        return facts.classes
    if facts.classes is None and found.classes is not None:
        return found.classes
    return KNOWN[facts.dataset].classes if facts.dataset is not None and facts.classes is None else None


def _class_major(facts: Facts, names: tuple[str, ...] | None, count: int) -> tuple[NDArray[Any], str]:
    if facts.labels != "class-major":
        raise missing(
            "its labels",
            "--labels-file, or --labels class-major",
            "class-major: images come class by class, equally many of each",
        )
    if names is None or count % len(names):
        raise ArgumentError(
            "images do not divide into classes",
            expected="--classes or --dataset, and equally many images of each",
            found=f"{count} images, {len(names) if names else 'unknown'} classes",
        )
    return np.repeat(np.arange(len(names)), count // len(names)), "by order, class by class"


def _read(labels: NDArray[Any], found: Found, facts: Facts) -> tuple[NDArray[Any], str]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2) or labels.size == 0 or labels.dtype.kind not in "iuf":
        raise SourceError("unusable labels", where="labels", found=f"{labels.dtype} {labels.shape}")
    if not np.isfinite(labels).all():
        raise SourceError("labels hold NaN or infinity", where="labels")
    if labels.ndim == 1:
        if not np.array_equal(labels, np.rint(labels)) or labels.min() < 0 or labels.max() > 1e6:
            raise SourceError("not classes", where="labels", expected="integers from 0", found=labels[:3].tolist())
        return labels.astype(np.int64), "numbers"
    return _soft(labels.astype(np.float64), found, facts)


def _soft(labels: NDArray[np.float64], found: Found, facts: Facts) -> tuple[NDArray[Any], str]:
    """(N, class) floats by their meaning: given by the caller, known for the kind, or evident."""
    classes = labels.shape[1]
    said = facts.labels or found.labels_are
    top = labels.max(axis=1, keepdims=True)
    flat = np.where(labels == top, np.nan, labels)
    for shift, words in ((0.0, "one-hot"), (1 / classes, f"one-hot minus 1/{classes}")):
        hard = np.abs(top - 1 + shift).max() < _EXACT and np.nanmax(np.abs(flat + shift)) < _EXACT
        if hard and said in (None, "hard", "probabilities", "centred") and classes > 1:
            return labels.argmax(axis=1), words
    if said == "hard":
        return labels.argmax(axis=1), "the largest of each row"
    if said == "logits":
        shifted = np.exp((labels - top) / facts.temperature)
        return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32), (
            f"softmax of logits at temperature {facts.temperature:g}"
        )
    if said == "centred":
        nearest, change = nearest_probabilities(labels + 1 / classes)
        if change < _EXACT:
            return nearest.astype(np.float32), said
        if change <= _LARGEST_CHANGE:
            return nearest.astype(np.float32), (
                "centred scores that were learned, of which the nearest probabilities are kept"
                f" (largest change {change:.2g})"
            )
    elif labels.min() >= (-_EXACT if said else 0) and np.abs(labels.sum(axis=1) - 1).max() < _SUM:
        return np.maximum(labels, 0).astype(np.float32), said or "probabilities"
    if facts.labels is None:
        raise missing(
            "what its float labels are",
            "--labels logits, centred, probabilities or hard",
            "logits: softmax is taken (--temperature); centred: one-hot minus 1/classes, as kernel methods have them; "
            "hard: only the largest counts",
        )
    raise ArgumentError(
        f"--labels {said} does not fit",
        expected="rows of at least 0 that sum to 1" + (" once 1/classes is added" if said == "centred" else ""),
        found=f"values {labels.min():g} to {labels.max():g}, sums {labels.sum(1).min():g} to {labels.sum(1).max():g}",
        hint="--labels logits takes their softmax, --labels hard only the largest",
    )


def nearest_probabilities(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The nearest rows of probabilities (N, class) in the Euclidean sense, and the largest change of a number: all of a
    row move by the same amount, and what is below 0 then becomes 0 (Duchi et al., ICML 2008, figure 1)."""
    falling = -np.sort(-rows, axis=1)
    shifts = (1 - falling.cumsum(axis=1)) / np.arange(1, rows.shape[1] + 1)
    last = (falling + shifts > 0).sum(axis=1) - 1
    nearest = np.maximum(rows + np.take_along_axis(shifts, last[:, None], axis=1), 0)
    return nearest, float(np.abs(nearest - rows).max())
