"""The meaning of labels: turns arrays of any kind into integers or probabilities."""

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
"""The largest accepted change from a learned score to a probability."""


def class_labels(found: Found, facts: Facts, count: int) -> tuple[NDArray[Any], tuple[str, ...], str]:
    """(count,) int64 or (count, classes) float32 labels, the class names, and a description of the original labels."""
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
                "In the order of the real dataset's labels",
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
            "class-major: images are sorted by class, with the same number of each",
        )
    if names is None or count % len(names):
        raise ArgumentError(
            "the number of images is not a multiple of the number of classes",
            expected="--classes or --dataset, and the same number of images of each",
            found=f"{count} images, {len(names) if names else 'unknown'} classes",
        )
    return np.repeat(np.arange(len(names)), count // len(names)), "by order, class by class"


def _read(labels: NDArray[Any], found: Found, facts: Facts) -> tuple[NDArray[Any], str]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2) or labels.size == 0 or labels.dtype.kind not in "iuf":
        raise SourceError("unusable labels", where="labels", found=f"{labels.dtype} {labels.shape}")
    if not np.isfinite(labels).all():
        raise SourceError("labels contain NaN or infinity", where="labels")
    if labels.ndim == 1:
        if not np.array_equal(labels, np.rint(labels)) or labels.min() < 0 or labels.max() > 1e6:
            raise SourceError("not classes", where="labels", expected="integers from 0", found=labels[:3].tolist())
        return labels.astype(np.int64), "numbers"
    return _soft(labels.astype(np.float64), found, facts)


def _soft(labels: NDArray[np.float64], found: Found, facts: Facts) -> tuple[NDArray[Any], str]:
    """(N, class) float labels by their meaning: given by the caller, known for the kind of file, or evident from the
    values."""
    classes = labels.shape[1]
    meaning = facts.labels or found.labels_are
    top = labels.max(axis=1, keepdims=True)
    flat = np.where(labels == top, np.nan, labels)
    for shift, words in ((0.0, "one-hot"), (1 / classes, f"one-hot minus 1/{classes}")):
        hard = np.abs(top - 1 + shift).max() < _EXACT and np.nanmax(np.abs(flat + shift)) < _EXACT
        if hard and meaning in (None, "hard", "probabilities", "centred") and classes > 1:
            return labels.argmax(axis=1), words
    if meaning == "hard":
        return labels.argmax(axis=1), "the largest of each row"
    if meaning == "logits":
        shifted = np.exp((labels - top) / facts.temperature)
        return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32), (
            f"softmax of logits at temperature {facts.temperature:g}"
        )
    if meaning == "centred":
        nearest, change = nearest_probabilities(labels + 1 / classes)
        if change < _EXACT:
            return nearest.astype(np.float32), meaning
        if change <= _LARGEST_CHANGE:
            return nearest.astype(np.float32), (
                f"learned centred scores, stored as the nearest probabilities (largest change {change:.2g})"
            )
    elif labels.min() >= (-_EXACT if meaning else 0) and np.abs(labels.sum(axis=1) - 1).max() < _SUM:
        return np.maximum(labels, 0).astype(np.float32), meaning or "probabilities"
    if facts.labels is None:
        raise missing(
            "what its float labels mean",
            "--labels logits, centred, probabilities or hard",
            "logits: their softmax is stored (--temperature); centred: one-hot minus 1/classes, as in kernel methods; "
            "hard: only the largest counts",
        )
    raise ArgumentError(
        f"--labels {meaning} does not fit",
        expected="rows of at least 0 that sum to 1" + (" after 1/classes is added" if meaning == "centred" else ""),
        found=f"values {labels.min():g} to {labels.max():g}, sums {labels.sum(1).min():g} to {labels.sum(1).max():g}",
        hint="--labels logits takes their softmax, --labels hard only the largest",
    )


def nearest_probabilities(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The nearest probabilities (N, class) by Euclidean distance, and the largest change of a value: each row is
    shifted by a constant and clipped at 0 (Duchi et al., ICML 2008, figure 1)."""
    falling = -np.sort(-rows, axis=1)
    shifts = (1 - falling.cumsum(axis=1)) / np.arange(1, rows.shape[1] + 1)
    last = (falling + shifts > 0).sum(axis=1) - 1
    nearest = np.maximum(rows + np.take_along_axis(shifts, last[:, None], axis=1), 0)
    return nearest, float(np.abs(nearest - rows).max())
