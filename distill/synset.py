"""`FrequencySynset`: the synthetic set while it is being learnt, coefficients in, images out, differentiably."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from fredfmt.decoder import Decoder
from fredfmt.encoder import step_for_bytes, store
from fredfmt.errors import ArgumentError
from fredfmt.metadata import Quantization
from fredfmt.model import FreDData
from fredfmt.quantizer import Step


class FrequencySynset(nn.Module):
    """N learnable instances as kept coefficients of an orthonormal transform.

    It can stand where a distillation loop has a tensor of images: ``synset(indices)`` is that tensor's rows, and an
    optimiser of ``synset.parameters()`` is the optimiser of the images. The coefficients are the only parameter, so
    that frequencies outside the masks take no memory, no gradient and no optimiser state.

    Parameters
    ----------
    coefficients
        (instance, channel, frequency) real values, in orthonormal units; made float32.
    layout
        A data set whose masks, labels and metadata these instances have; see `from_data` for the usual way in.
    loop_step
        Decode from coefficients rounded to multiples of this step, as from a file with that step; the gradient passes
        the rounding as if it were not there (straight-through, Bengio et al. 2013). None decodes the values as they
        are.
    """

    labels: Tensor
    """(instance,) int64, or (instance, class) float32 where labels are soft."""

    def __init__(self, coefficients: Tensor, layout: FreDData, *, loop_step: float | None = None) -> None:
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
        self.register_buffer("labels", labels.to(coefficients.device), persistent=False)
        self._masks = torch.from_numpy(layout.mask_of.astype(np.int64))
        self._classes = layout.labels.argmax(axis=1) if layout.soft else layout.labels.astype(np.int64)
        plain = replace(layout.metadata, quantization=Quantization("float32"))
        self._layout = replace(layout, coefficients=_real(layout), base=None, metadata=plain)
        self._decoder = Decoder.of(self._layout, device=coefficients.device)

    @classmethod
    def from_data(cls, data: FreDData, *, loop_step: float | None = None, device: torch.device | str = "cpu") -> Self:
        """A synthetic set that starts as ``data``, on ``device``. A base spectrum becomes part of each instance."""
        return cls(torch.tensor(_real(data), device=device), data, loop_step=loop_step)

    def to_data(self, *, step: Step = None, max_bytes: int | None = None, **metadata: Any) -> FreDData:
        """What was learnt, stored with ``step`` (as in `fredfmt.encode`); ``metadata`` replaces fields of the layout's.

        With ``max_bytes`` the step is searched instead: the smallest for which the ``.fred`` file has at most so many.
        Raises `ArgumentError` if a coefficient is NaN, infinite or too large for the step, or no step gets there.
        """
        layout, learnt = self._layout, self.coefficients.detach().cpu().numpy()
        described = replace(layout.metadata, **metadata)

        def at(chosen: Step) -> FreDData:
            return store(learnt, layout.frequencies, layout.labels, described, step=chosen, mask_of=layout.mask_of)

        return at(step if max_bytes is None else step_for_bytes(at, learnt, max_bytes))

    def forward(self, indices: Sequence[int] | Tensor | None = None) -> Tensor:
        """`images`, so that the module can be called."""
        return self.images(indices)

    def images(self, indices: Sequence[int] | Tensor | None = None) -> Tensor:
        """(B, C, *spatial) float32 images of the instances ``indices``, in any order, with repeats; by default all.

        They are in the space of the data's normalisation and carry gradients to the coefficients. Indices are best
        given as a list or a CPU tensor, which makes no device wait.
        """
        coefficients: Tensor = self.coefficients
        masks = self._masks
        if indices is not None:
            rows = torch.as_tensor(indices, dtype=torch.int64, device="cpu")
            masks = masks[rows]
            coefficients = coefficients.index_select(0, rows.to(coefficients.device, non_blocking=True))
        if self.loop_step is not None:
            rounded = (coefficients / self.loop_step).round() * self.loop_step
            coefficients = coefficients + (rounded - coefficients).detach()
        if self._decoder.device != coefficients.device:
            self._decoder = Decoder.of(self._layout, device=coefficients.device)
        return self._decoder(coefficients, masks)

    def indices_of(self, label: int) -> Tensor:
        """The instances of a class (where labels are soft, of those whose likeliest class it is), int64 on the CPU."""
        return torch.from_numpy(np.flatnonzero(self._classes == label))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names; their order is the meaning of the labels."""
        return self._layout.metadata.classes

    def __len__(self) -> int:
        return len(self.coefficients)


def _real(data: FreDData) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(instance, channel, frequency) coefficients in orthonormal units, base included."""
    stored = data.coefficients.astype(np.float64)
    if data.base is not None:
        stored += data.base[data.mask_of]
    return (stored * data.step).astype(np.float32)
