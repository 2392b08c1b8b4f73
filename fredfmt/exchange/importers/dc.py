"""``res_METHOD_DATASET_MODEL_IPCipc.pt`` of DC, DSA, DM and projects based on them; FreD's DC and DM with
``mask.pt``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import ArgumentError
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts, MissingFact
from fredfmt.exchange.importers.found import STORED, Found, is_images, is_labels, laid_out

_OTHER = (
    "The file holds {} experiments, and FreD stores only the mask of the last one: use --experiment {}, or"
    " --transform identity to ignore the mask"
)


def dc(content: Content, facts: Facts) -> Found | None:
    """``{"data": [[images, labels], ...], "accs_all_exps": {model: [accuracy, ...]}}``, one pair per experiment.

    FreD's pairs are tuples in a separate list. DataDAM's ``data`` is one pair.
    """
    value = content.value
    if not isinstance(value, dict) or not isinstance(value.get("data"), list | tuple):
        return None
    single = _pair(value["data"])
    pairs = [single] if single else [_pair(entry) for entry in value["data"]]
    if not pairs or None in pairs:
        return None
    number = facts.experiment or 0
    if not 0 <= number < len(pairs):
        raise ArgumentError("no such experiment", expected=f"0 to {len(pairs) - 1}", found=number)
    chosen = pairs[number]
    assert chosen is not None
    notes: dict[str, Any] = {"experiment": number, "experiments": len(pairs)}
    accuracies = value.get("accs_all_exps")
    if isinstance(accuracies, dict):
        notes["accuracies"] = {str(model): _numbers(values) for model, values in accuracies.items()}
    images, labels = chosen
    return Found(
        laid_out(images, facts.channels),
        labels,
        whitened=None if single else False,
        mask=content.beside.get("mask"),
        mask_hint=Found.mask_hint if number == len(pairs) - 1 else _OTHER.format(len(pairs), len(pairs) - 1),
        notes=notes,
        missing=(_which(len(pairs)),) if facts.experiment is None and len(pairs) > 1 else (),
    )


def _pair(entry: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Images and labels of an experiment, in either nesting."""
    if isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], tuple):
        entry = entry[0]
    if isinstance(entry, list | tuple) and len(entry) == 2 and is_images(entry[0], STORED) and is_labels(entry[1]):
        return entry[0], entry[1]
    return None


def _which(count: int) -> MissingFact:
    return (
        f"which of its {count} experiments to import",
        f"--experiment 0 to {count - 1}",
        "DC-bench uses the last; each has its own images, and FreD's mask.pt belongs to the last",
    )


def _numbers(values: Any) -> list[float]:
    flat = np.asarray(values if isinstance(values, list | tuple | np.ndarray) else [], np.float64).ravel()
    return [round(float(value), 6) for value in flat[np.isfinite(flat)]]
