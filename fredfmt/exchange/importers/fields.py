"""``DDiF_..._synset_best.pt``: one neural field (a small network with sine activations) per image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError, located
from fredfmt.exchange.importers.content import Content
from fredfmt.exchange.importers.facts import Facts, MissingFact
from fredfmt.exchange.importers.found import Found, as_number, is_labels
from fredfmt.model import limits as limits_

_SINES: MissingFact = (
    "the frequencies of its sines",
    "--w0 and --w0-initial",
    "They are W0 and W0_INITIAL in DDiF's hyper_params.py: 10 and 30 for CIFAR, 40 and 30 for ImageNet",
)
_SIZE: MissingFact = ("the size of its images", "--size HEIGHTxWIDTH", "A neural field can be drawn at any size")


def fields(content: Content, facts: Facts) -> Found | None:
    """``{"nf": [state, ...], "label": labels}``, and ``syn_lr`` after trajectory matching. A state holds
    ``net.0.linear.weight`` to ``last_layer.linear.bias``. The frequencies of the sines and the size of the image are
    settings of DDiF that its files do not record.
    """
    value = content.value
    if not isinstance(value, dict) or not isinstance(value.get("nf"), list) or not is_labels(value.get("label")):
        return None
    lr = as_number(value.get("syn_lr"))
    known = Found(  # the images are not needed yet
        np.zeros((len(value["nf"]), 1, 1, 1), np.float32),
        value["label"],
        whitens_pixels=True,
        lr=lr,
        lr_learned=lr is not None,
    )
    if facts.w0 is None or facts.w0_initial is None or facts.size is None:
        missing = (
            *([_SINES] if facts.w0 is None or facts.w0_initial is None else []),
            *([_SIZE] if facts.size is None else []),
        )
        return replace(known, missing=missing)
    height, width = facts.size
    limits = limits_.DEFAULT
    limits_.check(height * width, limits.spatial_size, "the size of an image", name="spatial_size")
    limits_.check(len(value["nf"]) * height * width * 12, limits.decoded_bytes, "all images", name="decoded_bytes")
    images = []
    for number, state in enumerate(value["nf"]):
        with located(f"nf[{number}]"):
            images.append(draw(state, (height, width), facts.w0, facts.w0_initial))
    if not images or len({image.shape for image in images}) > 1:
        raise SourceError("fields of different kinds, or none", found=sorted({image.shape for image in images}))
    return replace(known, images=np.stack(images), notes={"w0": facts.w0, "w0_initial": facts.w0_initial})


def draw(state: Any, size: tuple[int, int], w0: float, w0_initial: float) -> NDArray[np.float32]:
    """Evaluate one field at (C, height, width). Both coordinates start at -1 with steps of ``2 / (height - 1)``, as in
    DDiF."""
    if not isinstance(state, dict):
        raise SourceError("not the state of a field", found=type(state).__name__)
    height, width = size
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1).reshape(-1, 2)
    values = (places / max(height - 1, 1) - 0.5) * 2
    layers = len([key for key in state if isinstance(key, str) and key.endswith("linear.weight")]) - 1
    names = [f"net.{layer}" for layer in range(layers)] + ["last_layer"]
    for number, name in enumerate(names):
        weight, bias = (_parameter(state, f"{name}.linear.{part}") for part in ("weight", "bias"))
        if weight.ndim != 2 or weight.shape[1] != values.shape[1] or bias.shape != weight.shape[:1]:
            raise SourceError("layers do not fit", where=name, expected=f"(any, {values.shape[1]})", found=weight.shape)
        values = values @ weight.T + bias
        if name != "last_layer":
            values = np.sin((w0_initial if number == 0 else w0) * values)
    return np.moveaxis(values.reshape(height, width, -1), -1, 0).astype(np.float32)


def _parameter(state: dict[Any, Any], name: str) -> NDArray[np.float64]:
    array = state.get(name)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise SourceError("a layer is missing", expected=name, found=", ".join(map(str, state)) or "nothing")
    return array.astype(np.float64)
