"""``checkpoint_N`` of FRePo and RCIG: a flax state with ``x_proto`` and ``y_proto``."""

from __future__ import annotations

from typing import Any

import numpy as np

from fredfmt.importers.content import Content
from fredfmt.importers.facts import Facts
from fredfmt.importers.found import Found, channels_first, is_images, is_labels


def flax(content: Content, facts: Facts) -> Found | None:
    """Images (N, H, W, C) and learned labels, in a tree under ``params``; the optimiser's state is passed over."""
    if content.form != "flax" or not isinstance(content.value, dict):
        return None
    params: Any = content.value.get("params", content.value)
    if isinstance(params, dict) and "params" in params:
        params = params["params"]
    if not isinstance(params, dict) or not is_images(params.get("x_proto")) or not is_labels(params.get("y_proto")):
        return None
    images = channels_first(params["x_proto"], facts.channels or "last")
    return Found(np.asarray(images), params["y_proto"])
