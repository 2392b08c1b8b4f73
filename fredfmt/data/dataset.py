"""`FreDDataset`: a map-style torch dataset of decoded images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeAlias, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from fredfmt.codec.decoder import Decoder
from fredfmt.codec.unit import to_unit
from fredfmt.codec.whitening import check_unit, warn_if_whitened
from fredfmt.errors import ArgumentError, FredTypeError, quoted
from fredfmt.model import limits as limits_
from fredfmt.model.arguments import flag_of, indices_of
from fredfmt.model.data import FreDData
from fredfmt.model.limits import Limits
from fredfmt.model.selection import Classes
from fredfmt.storage.files import loaded
from fredfmt.storage.reading import File

Sample: TypeAlias = tuple[Any, Any]
Index: TypeAlias = SupportsIndex | slice | Sequence[SupportsIndex] | NDArray[Any] | Tensor


class FreDDataset(Dataset[Sample]):
    """A dataset whose images are decoded on the CPU when they are accessed. The file is read once and not kept open.

    ``ds[i]`` is a pair of an image (C, *size) and a label: a Python int, or a float32 tensor (class,) if labels are
    soft. A slice, a list or array of indices, or a boolean mask returns a batch: images (B, C, *size) and labels.
    `torch.utils.data.DataLoader` requests a whole batch, which is decoded at once, and works with any number of workers
    and any start method; `FreDLoader` avoids the conversion to single images and back. A subclass may override
    `__getitem__`; the DataLoader then uses its samples.

    Parameters
    ----------
    file
        Anything that `fredfmt.load` reads, or a loaded `FreDData`.
    transform, target_transform
        Called for each image and each label separately, as in torchvision, so that random transforms differ between
        images.
    normalized
        False: images in 0..1 instead of the space in which they are stored.
    clip
        With ``normalized=False``: whether to clip values that rounding and omitted frequencies move out of 0..1.
    size, k, dtype
        As for `fredfmt.decode`: another size, only the ``k`` coarsest frequencies, another floating point type.
    classes, verify, expected_digest, limits
        As for `fredfmt.load`: the classes to load, whose labels keep their numbers, and the checks of the file.

    Raises
    ------
    FormatError, LimitError, IntegrityError, VersionError, FredFileNotFoundError, SourceError
        From `fredfmt.load`.
    ArgumentError
        For a size or k that the data do not support, or ``normalized=False`` for whitened images.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((6, 3, 8, 12), np.float32)
    >>> data = fredfmt.encode(images, [0, 0, 1, 1, 2, 2], k=20, classes=["cat", "dog", "owl"])
    >>> ds = fredfmt.FreDDataset(data)
    >>> image, label = ds[4]
    >>> image.shape, label, ds.classes[label], ds.class_to_idx
    (torch.Size([3, 8, 12]), 2, 'owl', {'cat': 0, 'dog': 1, 'owl': 2})
    >>> images, labels = ds[:3]
    >>> images.shape, labels
    (torch.Size([3, 3, 8, 12]), tensor([0, 0, 1]))
    """

    def __init__(
        self,
        file: File | FreDData,
        *,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        normalized: bool = True,
        clip: bool = True,
        size: Sequence[int] | None = None,
        k: int | None = None,
        dtype: torch.dtype = torch.float32,
        classes: Classes | None = None,
        verify: bool = True,
        expected_digest: str | None = None,
        limits: Limits = limits_.DEFAULT,
    ) -> None:
        normalized, clip = flag_of("normalized", normalized), flag_of("clip", clip)
        for name, change in (("transform", transform), ("target_transform", target_transform)):
            if change is not None and not callable(change):
                raise ArgumentError("not callable", where=name, expected="a function", found=quoted(change))
        self.data = loaded(file, classes=classes, verify=verify, expected_digest=expected_digest, limits=limits)
        self.transform = transform
        self.target_transform = target_transform
        (warn_if_whitened if normalized else check_unit)(self.data.metadata)
        self._normalized = normalized
        self._clip = clip
        self._decoder = Decoder.of(self.data, size=size, k=k, device="cpu", dtype=dtype)
        self._labels = self.data.labels.astype(np.float32 if self.data.soft else np.int64)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return self.data.metadata.classes

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class name, as in torchvision."""
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def labels(self) -> Tensor:
        """All labels, (N,) int64 or (N, class) float32."""
        return torch.from_numpy(self._labels)

    @property
    def targets(self) -> list[int]:
        """The class of every image (for soft labels the most probable class), which samplers use."""
        classes: list[int] = self.data.hard_labels.tolist()
        return classes

    def decode(self, indices: Sequence[SupportsIndex]) -> tuple[Tensor, Tensor]:
        """A batch without transforms: images (B, C, *size) and labels, (B,) int64 or (B, class) float32.

        ``indices`` may be in any order, repeat, and count from the end. Raises `FredIndexError` for an index out of
        range, and `FredTypeError` for anything but integers.
        """
        rows = indices_of(_on_cpu(indices), len(self.data))
        masks = self.data.mask_of[rows]
        used = int(masks[0]) if len(masks) == 1 else torch.from_numpy(masks.astype(np.int64))
        images = self._decoder(torch.from_numpy(self.data.coefficients[rows]), used)
        if not self._normalized:
            images = to_unit(images, self.data.metadata.normalization, clip=self._clip)
        return images, torch.from_numpy(self._labels[rows])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Index) -> Sample:
        if _is_single(index):
            return self._samples([index])[0]
        rows = self._rows(index)
        if len(rows) == 0 or (self.transform is None and self.target_transform is None):
            return self.decode(rows)
        images, labels = default_collate(self._samples(rows))
        return images, labels

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[Sample]:
        """The samples at ``indices``; `torch.utils.data.DataLoader` calls this with the indices of a batch."""
        if type(self).__getitem__ is not FreDDataset.__getitem__:
            return [self[index] for index in indices]
        return self._samples(indices)

    def _samples(self, indices: Sequence[SupportsIndex]) -> list[Sample]:
        """Transformed images and labels one by one, decoded together."""
        images, labels = self.decode(indices)
        inputs: Sequence[Any] = images.unbind()
        targets: Sequence[Any] = labels.unbind() if self.data.soft else labels.tolist()
        if self.transform is not None:
            inputs = [self.transform(image) for image in inputs]
        if self.target_transform is not None:
            targets = [self.target_transform(target) for target in targets]
        return list(zip(inputs, targets, strict=True))

    def _rows(self, index: Index) -> list[int]:
        """The instances that a slice, several indices or a boolean mask selects."""
        count = len(self)
        if not isinstance(index, slice):
            rows: list[int] = indices_of(_on_cpu(index), count, masks=True).tolist()
            return rows
        try:
            return list(range(count)[index])
        except (TypeError, ValueError):
            raise FredTypeError("unusable slice", expected="integers", found=quoted(index)) from None

    def __repr__(self) -> str:
        return f"FreDDataset of {self.data!r}"


def _is_single(index: Index) -> TypeGuard[SupportsIndex]:
    """Whether an index selects a single instance; an array of one index selects a batch."""
    return hasattr(index, "__index__") and getattr(index, "ndim", 0) == 0


def _on_cpu(indices: Any) -> Any:
    return indices.cpu() if isinstance(indices, Tensor) else indices
