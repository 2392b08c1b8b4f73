"""``checkpoint_N`` of FRePo and RCIG: a flax state with ``x_proto`` and ``y_proto``."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from fredfmt.errors import ArgumentError
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Asked, Facts
from fredfmt.exchange.importers.found import Found, channels_first, is_images, is_labels

_KEYS = ("x_proto", "y_proto")
_AVERAGE: Asked = (
    "which of its images to take, the last or their running average",
    "--average or --no-average",
    "RCIG's own evaluation takes the average (ema_average)",
)


def flax(content: Content, facts: Facts) -> Found | None:
    """Images (N, H, W, C) and learned labels, in a tree under ``params``; the optimiser's state is passed over.

    RCIG's checkpoints have their running average beside them, ``ema_average``, and FRePo's have not.
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
    asked: tuple[Asked, ...] = ()
    if _is_proto(average):
        if facts.average is None and not all(np.array_equal(params[key], average[key]) for key in _KEYS):
            asked = (_AVERAGE,)
        notes["taken"] = "ema_average" if facts.average else "params"
        params = average if facts.average else params
    elif facts.average:
        raise ArgumentError("no running average of the images is there", expected="ema_average", hint="--no-average")
    images = channels_first(params["x_proto"], facts.channels or "last")
    return Found(images, params["y_proto"], labels_are="centred", notes=notes, asked=asked)


def _is_proto(tree: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(tree, dict) and is_images(tree.get(_KEYS[0])) and is_labels(tree.get(_KEYS[1]))
