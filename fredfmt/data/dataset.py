"""`FreDDataset`: a file in, a map-style torch data set of decoded images out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fredfmt.codec.decoder import Decoder, to_unit
from fredfmt.codec.whitening import check_unit, warn_if_whitened
from fredfmt.errors import FredIndexError
from fredfmt.model import limits as limits_
from fredfmt.model.data import FreDData
from fredfmt.model.limits import Limits
from fredfmt.model.selection import Classes
from fredfmt.storage.files import File, loaded

Sample: TypeAlias = tuple[Any, Any]


class FreDDataset(Dataset[Sample]):
    """Images decoded on the CPU when they are asked for; the file is read once, in whole, and not kept open.

    ``ds[i]`` is a pair of an image (C, *size) and a label: a Python int, or where labels are soft a float32 tensor
    (class,). A `torch.utils.data.DataLoader` asks for a whole batch at once and gets it from one decoding, with any
    number of workers under any start method; `FreDLoader` does without the detour through single images.

    Parameters
    ----------
    file
        What `fredfmt.load` reads, or a loaded `FreDData`.
    transform, target_transform
        Called on every image and every label by itself, as in torchvision, so random ones differ from image to image.
    normalized
        False gives images in 0..1 instead of the space that they were stored in.
    size, k, dtype
        As for `fredfmt.decode`: another size, only the ``k`` coarsest frequencies, another floating point type.
    classes, verify, expected_digest, limits
        As for `fredfmt.load`: a part of the classes, whose labels keep their numbers, and what is checked.

    Raises
    ------
    FormatError, LimitError, IntegrityError, VersionError, FredFileNotFoundError, SourceError
        From `fredfmt.load`.
    ArgumentError
        For a size or a k that the data do not have, or ``normalized=False`` of whitened images.
    """

    def __init__(
        self,
        file: File | FreDData,
        *,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        normalized: bool = True,
        size: Sequence[int] | None = None,
        k: int | None = None,
        dtype: torch.dtype = torch.float32,
        classes: Classes | None = None,
        verify: bool = True,
        expected_digest: str | None = None,
        limits: Limits = limits_.DEFAULT,
    ) -> None:
        self.data = loaded(file, classes=classes, verify=verify, expected_digest=expected_digest, limits=limits)
        self.transform = transform
        self.target_transform = target_transform
        (warn_if_whitened if normalized else check_unit)(self.data.metadata)
        self._normalized = normalized
        self._decoder = Decoder.of(self.data, size=size, k=k, device="cpu", dtype=dtype)
        self._labels = self.data.labels.astype(np.float32 if self.data.soft else np.int64)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; their order is the meaning of the labels."""
        return self.data.metadata.classes

    @property
    def labels(self) -> Tensor:
        """All labels, (N,) int64 or (N, class) float32."""
        return torch.from_numpy(self._labels)

    @property
    def targets(self) -> list[int]:
        """The class of every image, the likeliest where labels are soft; what samplers and splitters look at."""
        classes: list[int] = self.data.hard_labels.tolist()
        return classes

    def decode(self, indices: Sequence[SupportsIndex]) -> tuple[Tensor, Tensor]:
        """A batch without transforms: images (B, C, *size) and labels, (B,) int64 or (B, class) float32.

        ``indices`` may come in any order, repeat, and count from the end. Raises `FredIndexError` for one that is out
        of range.
        """
        rows = np.fromiter(map(operator.index, indices), np.intp, count=len(indices))
        count = len(self.data)
        if len(rows) and not (-count <= rows.min() and rows.max() < count):
            raise FredIndexError(
                "no such instance",
                expected=f"{-count} to {count - 1}",
                found=int(rows.min() if rows.min() < -count else rows.max()),
            )
        masks = self.data.mask_of[rows]
        used = int(masks[0]) if len(masks) == 1 else torch.from_numpy(masks.astype(np.int64))
        images = self._decoder(torch.from_numpy(self.data.coefficients[rows]), used)
        if not self._normalized:
            images = to_unit(images, self.data.metadata.normalization)
        return images, torch.from_numpy(self._labels[rows])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: SupportsIndex) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[Sample]:
        """The samples at ``indices``; `torch.utils.data.DataLoader` calls this with the indices of a batch."""
        images, labels = self.decode(indices)
        inputs: Sequence[Any] = images.unbind()
        targets: Sequence[Any] = labels.unbind() if self.data.soft else labels.tolist()
        if self.transform is not None:
            inputs = [self.transform(image) for image in inputs]
        if self.target_transform is not None:
            targets = [self.target_transform(target) for target in targets]
        return list(zip(inputs, targets, strict=True))

    def __repr__(self) -> str:
        return f"FreDDataset of {self.data!r}"
