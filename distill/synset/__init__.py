"""`FrequencySynset`: learnable synthetic data, whose images are a differentiable function of the coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fredfmt.codec.decoder import Decoder
from fredfmt.codec.encoder import store
from fredfmt.codec.quantizer import Step
from fredfmt.codec.spectra import mean_spectra, row_blocks
from fredfmt.codec.step_search import step_for_bytes
from fredfmt.errors import ArgumentError
from fredfmt.model.data import FreDData
from fredfmt.model.parts import Quantization

START_SHARE = 0.86
"""The initial probability of the class of the hard label in a learned label."""


class FrequencySynset(nn.Module):
    """N learnable instances as kept coefficients of an orthonormal transform.

    It replaces the tensor of images in a distillation loop: ``synset(indices)`` replaces the rows of the tensor, and
    ``synset.parameters()`` replaces the tensor in the optimizer. Only the kept coefficients are parameters, so
    frequencies outside the masks need no memory, gradients or optimizer state.

    Parameters
    ----------
    coefficients
        (instance, channel, frequency) values in orthonormal units, which are converted to float32.
    layout
        A dataset with the masks, labels and metadata of the instances; `from_data` is usually simpler.
    loop_step
        Decode from coefficients that are rounded to multiples of this step, as in a file with that step. Gradients
        ignore the rounding (straight-through estimator, Bengio et al. 2013). None: no rounding.
    learn_labels
        Make labels soft and learnable: ``logits`` is a second parameter, whose softmax is `labels`. Initially the label
        of the layout has the probability `START_SHARE`.
    classes
        (instance,) integers: the class of each instance for `indices_of`. None: the most probable class of its label.

    >>> from fredfmt import encode, open_source
    >>> source = open_source("digits").sample(2)
    >>> synset = FrequencySynset.from_data(encode(source.normalized, source.labels, k=9))
    >>> optimizer = torch.optim.Adam(synset.parameters(), lr=0.1)
    >>> images = synset([0, 19, 3])
    >>> images.square().mean().backward()
    >>> optimizer.step()
    >>> images.shape, synset.to_data(step=0.5).coefficients.shape
    (torch.Size([3, 1, 8, 8]), (20, 1, 9))
    """

    coefficients: nn.Parameter
    logits: nn.Parameter | None
    _labels: Tensor

    def __init__(
        self,
        coefficients: Tensor,
        layout: FreDData,
        *,
        loop_step: float | None = None,
        learn_labels: bool = False,
        classes: NDArray[np.integer] | None = None,
    ) -> None:
        super().__init__()
        if coefficients.shape != layout.coefficients.shape:
            raise ArgumentError(
                "coefficients do not fit the layout",
                expected=layout.coefficients.shape,
                found=tuple(coefficients.shape),
            )
        if loop_step is not None and not loop_step > 0:
            raise ArgumentError("unusable loop_step", expected="a positive number or None", found=loop_step)
        self.coefficients = nn.Parameter(coefficients.detach().to(torch.float32, copy=True))
        self.loop_step = loop_step
        labels = torch.from_numpy(layout.labels.astype(np.float32 if layout.soft else np.int64))
        self.register_buffer("_labels", labels.to(coefficients.device), persistent=False)
        self.logits = None
        if learn_labels:
            self.logits = nn.Parameter(_logits(layout).to(coefficients.device))
        self._masks = torch.from_numpy(layout.mask_of.astype(np.int64))
        self._classes = layout.hard_labels if classes is None else classes
        plain = replace(layout.metadata, quantization=Quantization("float32"))
        nothing = np.broadcast_to(np.float32(0), layout.coefficients.shape)  # it takes no memory
        self._layout = replace(layout, coefficients=nothing, base=None, metadata=plain)
        self._decoder = Decoder.of(self._layout, device=coefficients.device)

    @classmethod
    def from_data(
        cls,
        data: FreDData,
        *,
        loop_step: float | None = None,
        learn_labels: bool = False,
        classes: NDArray[np.integer] | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Synthetic data that start as ``data``, on ``device``. A base spectrum is added to each instance."""
        return cls(
            torch.from_numpy(_spectra(data)).to(device),
            data,
            loop_step=loop_step,
            learn_labels=learn_labels,
            classes=classes,
        )

    def to_data(
        self,
        *,
        step: Step = None,
        max_bytes: int | None = None,
        near: float | None = None,
        base: bool = False,
        **metadata: Any,
    ) -> FreDData:
        """The current state as a dataset, stored with ``step`` as in `fredfmt.encode`; ``metadata`` replaces fields of
        the layout's metadata.

        With ``max_bytes``, the step is searched instead: the smallest one, or one close to ``near``, for which the
        ``.fred`` file has at most this many bytes. Coefficients are rounded to the nearest multiple of the step: in the
        same bytes networks learn more from them than if error and bits decide (docs/decisions/choosing.md). With
        ``base``, the mean of the instances of each mask is stored once, and instances as differences from it. Learned
        labels are stored in sixteenths, which are exact in float16. Raises `ArgumentError` if a coefficient is NaN,
        infinite or too large for the step, or if no step fits.
        """
        layout, values = self._layout, self.coefficients.detach().cpu().numpy()
        described = replace(layout.metadata, **metadata)
        labels = layout.labels
        if self.logits is not None:
            labels = sixteenths(self.labels.detach().cpu().numpy())
        means = mean_spectra(values, layout.mask_of, len(layout.frequencies)) if base else None

        def at(chosen: Step) -> FreDData:
            return store(
                values,
                layout.frequencies,
                labels,
                described,
                step=chosen,
                mask_of=layout.mask_of,
                base=means,
            )

        return at(step if max_bytes is None else step_for_bytes(at, values, max_bytes, near=near))

    @property
    def labels(self) -> Tensor:
        """(instance,) int64, or (instance, class) float32 if soft; differentiable if they are learned."""
        return self._labels if self.logits is None else self.logits.softmax(1)

    def forward(self, indices: Sequence[int] | Tensor | None = None) -> Tensor:
        """`images`, so that the module can be called."""
        return self.images(indices)

    def images(self, indices: Sequence[int] | Tensor | None = None) -> Tensor:
        """(B, C, *spatial) float32 images of the instances ``indices``, in any order, which may repeat; None: all.

        They are in the normalised space of the data and differentiable with respect to the coefficients. A list or a
        CPU tensor of indices avoids synchronisation with the device.
        """
        return self.decode(self.values(indices), indices)

    def values(self, indices: Sequence[int] | Tensor | None = None) -> Tensor:
        """(B, C, k) coefficients of the instances ``indices`` (None: all), rounded if there is a ``loop_step``.

        Use it with `decode` to compute a few of many images at a time, with gradients with respect to coefficients.
        """
        coefficients: Tensor = self.coefficients
        if indices is not None:
            rows = torch.as_tensor(indices, dtype=torch.int64, device="cpu")
            coefficients = coefficients.index_select(0, rows.to(coefficients.device, non_blocking=True))
        if self.loop_step is not None:
            exact = coefficients.detach()
            coefficients = coefficients + ((exact / self.loop_step).round() * self.loop_step - exact)
        return coefficients

    def decode(self, values: Tensor, indices: Sequence[int] | Tensor | None = None) -> Tensor:
        """(B, C, *spatial) float32 images of ``values`` (B, C, k) with the masks of the instances ``indices``."""
        masks = self._masks
        if indices is not None:
            masks = masks[torch.as_tensor(indices, dtype=torch.int64, device="cpu")]
        if self._decoder.device != values.device:
            self._decoder = Decoder.of(self._layout, device=values.device)
        return self._decoder(values, masks)

    def indices_of(self, label: int) -> Tensor:
        """The instances of a class, int64 on the CPU."""
        return torch.from_numpy(np.flatnonzero(self._classes == label))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return self._layout.metadata.classes

    def __len__(self) -> int:
        return len(self.coefficients)


def sixteenths(probabilities: NDArray[np.floating]) -> NDArray[np.float16]:
    """Rows of probabilities in sixteenths that sum to 1: rounded down, the remainder goes to the largest fractions."""
    parts = probabilities.astype(np.float64) / probabilities.sum(axis=1, keepdims=True, dtype=np.float64) * 16
    whole = np.floor(parts)
    left = 16 - whole.sum(axis=1, keepdims=True)
    order = np.argsort(np.argsort(whole - parts, axis=1, kind="stable"), axis=1, kind="stable")
    rounded: NDArray[np.float16] = ((whole + (order < left)) / 16).astype(np.float16)
    return rounded


def _spectra(data: FreDData) -> NDArray[np.float32]:
    """`FreDData.spectra` in float32, a few rows at a time."""
    made = np.empty(data.coefficients.shape, np.float32)
    for rows in row_blocks(made):
        made[rows] = data.spectra(rows)
    return made


def _logits(layout: FreDData) -> Tensor:
    """(instance, class) logits of the labels; the class of a hard label gets `START_SHARE`, and the others share the
    rest."""
    if layout.soft:
        return torch.from_numpy(np.log(np.maximum(layout.labels.astype(np.float32), 1e-3)))
    classes = len(layout.metadata.classes)
    scores = torch.zeros(len(layout), classes)
    share = math.log(START_SHARE / (1 - START_SHARE) * max(classes - 1, 1))
    scores[torch.arange(len(layout)), torch.from_numpy(layout.labels.astype(np.int64))] = share
    return scores
