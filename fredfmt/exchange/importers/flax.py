"""``checkpoint_N`` of FRePo and RCIG: a flax state with ``x_proto`` and ``y_proto``."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from fredfmt.errors import ArgumentError
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts, MissingFact
from fredfmt.exchange.importers.found import Found, channels_first, is_images, is_labels

_KEYS = ("x_proto", "y_proto")
_AVERAGE: MissingFact = (
    "whether to take the last images or their running average",
    "--average or --no-average",
    "RCIG's own evaluation uses the average (ema_average)",
)


def flax(content: Content, facts: Facts) -> Found | None:
    """Images (N, H, W, C) and learned labels, in a tree under ``params``; the optimizer state is ignored. RCIG's
    checkpoints also hold their running average, ``ema_average``; FRePo's do not.
    """
    if content.form != "flax" or not isinstance(content.value, dict):
        return None
    params: Any = content.value.get("params", content.value)
    if isinstance(params, dict) and "params" in params:
        params = params["params"]
    average = content.value.get("ema_average")
    if not _is_proto(params):
        return None
    notes: dict[str, Any] = {}
    missing: tuple[MissingFact, ...] = ()
    if _is_proto(average):
        if facts.average is None and not all(np.array_equal(params[key], average[key]) for key in _KEYS):
            missing = (_AVERAGE,)
        notes["taken"] = "ema_average" if facts.average else "params"
        params = average if facts.average else params
    elif facts.average:
        raise ArgumentError(
            "the file does not contain a running average of the images", expected="ema_average", hint="--no-average"
        )
    images = channels_first(params["x_proto"], facts.channels or "last")
    return Found(images, params["y_proto"], labels_are="centred", notes=notes, missing=missing)


def _is_proto(tree: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(tree, dict) and is_images(tree.get(_KEYS[0])) and is_labels(tree.get(_KEYS[1]))
