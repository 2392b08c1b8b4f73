"""`FreDLoader`: training batches of a file, shuffled and decoded on the training device."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fredfmt.codec.decoder import Decoder
from fredfmt.codec.devices import usable_device
from fredfmt.codec.whitening import check_unit, warn_if_whitened
from fredfmt.data.dataset import FreDDataset
from fredfmt.errors import ArgumentError
from fredfmt.model import limits as limits_
from fredfmt.model.arguments import LARGEST, flag_of, integer_of, is_integer
from fredfmt.model.data import FreDData
from fredfmt.model.limits import Limits
from fredfmt.model.selection import Classes
from fredfmt.storage.files import loaded
from fredfmt.storage.reading import File

_MOST = 2**63 - 1
"""The largest integer of torch."""


class FreDLoader:
    """Batches of images (B, C, *size) and labels, (B,) int64 or, if soft, (B, class) float32, on ``device``.

    The coefficients are kept on the device in stored form, about a hundred times smaller than the images. A batch is
    gathered and decoded there, without workers and without synchronisation with the host. Every iteration over the
    loader is the next epoch; its order depends only on the seed and the number of the epoch.

    Parameters
    ----------
    file
        Anything that `fredfmt.load` reads, or a loaded `FreDData`.
    batch_size
        Images per batch and rank.
    shuffle, seed
        Whether to shuffle, differently in every epoch, and the seed of the order.
    device
        The device of coefficients, images and labels. None: torch's default device.
    drop_last
        Omit the last batch if it is smaller, and the instances that do not divide among the ranks.
    transform
        Called for every batch of images as a whole; a random transform must itself vary between the images of a batch.
    normalized
        False: images in 0..1 instead of the space in which they are stored.
    clip
        With ``normalized=False``: whether to clip values that rounding and omitted frequencies move out of 0..1.
    size, k, dtype
        As for `fredfmt.decode`: another size, only the ``k`` coarsest frequencies, another floating point type.
    rank, world_size
        In distributed training, the index of this process and the number of processes, among which each epoch is
        divided equally. All ranks get the same number of batches: if the instances cannot be divided equally, the first
        ones of the epoch are repeated, or with ``drop_last`` its last ones are omitted. Otherwise shares are disjoint.
    classes, verify, expected_digest, limits
        As for `fredfmt.load`: the classes to load, whose labels keep their numbers, and the checks of the file.

    Raises
    ------
    FormatError, LimitError, IntegrityError, VersionError, FredFileNotFoundError, SourceError
        From `fredfmt.load`.
    ArgumentError
        For a size or k that the data do not support, a rank that is not below ``world_size``, a negative seed, settings
        that leave no batch, or ``normalized=False`` for whitened images.

    Examples
    --------
    >>> import numpy as np, fredfmt
    >>> pixels = np.random.default_rng(0).random((10, 3, 8, 12), np.float32)
    >>> data = fredfmt.encode(pixels, np.arange(10) % 2, k=20)
    >>> loader = fredfmt.FreDLoader(data, batch_size=4, shuffle=True, seed=1)
    >>> [tuple(images.shape) for images, labels in loader]
    [(4, 3, 8, 12), (4, 3, 8, 12), (2, 3, 8, 12)]
    >>> loader.epoch
    1
    """

    def __init__(
        self,
        file: File | FreDData,
        *,
        batch_size: int = 256,
        shuffle: bool = False,
        seed: int = 0,
        device: torch.device | str | None = None,
        drop_last: bool = False,
        transform: Callable[[Tensor], Any] | None = None,
        normalized: bool = True,
        clip: bool = True,
        size: Sequence[int] | None = None,
        k: int | None = None,
        dtype: torch.dtype = torch.float32,
        rank: int = 0,
        world_size: int = 1,
        classes: Classes | None = None,
        verify: bool = True,
        expected_digest: str | None = None,
        limits: Limits = limits_.DEFAULT,
    ) -> None:
        batch_size = integer_of("batch_size", batch_size, least=1)
        seed = integer_of("seed", seed, least=0)
        rank, world_size = integer_of("rank", rank, least=0), integer_of("world_size", world_size, least=1, most=_MOST)
        if rank >= world_size:
            raise ArgumentError("rank out of range", expected=f"0 to {world_size - 1}", found=rank)
        shuffle, drop_last = flag_of("shuffle", shuffle), flag_of("drop_last", drop_last)
        normalized, clip = flag_of("normalized", normalized), flag_of("clip", clip)
        self.data = loaded(file, classes=classes, verify=verify, expected_digest=expected_digest, limits=limits)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.device = usable_device(torch.empty(0).device if device is None else device)
        self.drop_last = drop_last
        self.transform = transform
        self.rank = rank
        self.world_size = world_size
        if len(self) == 0:
            raise ArgumentError(
                "no batch is left after drop_last",
                expected=f"at least {batch_size * world_size} instances",
                found=len(self.data),
                hint="Use a smaller batch_size or keep the last batch",
            )
        self._decoder = Decoder.of(self.data, size=size, k=k, device=self.device, dtype=dtype)
        self._coefficients = torch.tensor(self.data.coefficients, device=self.device)
        self._masks = torch.tensor(self.data.mask_of, dtype=torch.int64, device=self.device)
        labels = torch.float32 if self.data.soft else torch.int64
        self._labels = torch.tensor(self.data.labels, dtype=labels, device=self.device)
        self._normalized = normalized
        self._clip = clip
        if normalized:
            warn_if_whitened(self.data.metadata)
        self._unit = None if normalized else _moments(self.data, dtype, self.device)
        self._step = 0
        self._resumed = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return self.data.metadata.classes

    @cached_property
    def dataset(self) -> FreDDataset:
        """The same images one by one, decoded on the CPU without ``transform``; ``len(loader.dataset)`` counts them."""
        return FreDDataset(
            self.data,
            normalized=self._normalized,
            clip=self._clip,
            size=self._decoder.size,
            k=self._decoder.k,
            dtype=self._decoder.dtype,
        )

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, counted from 0."""
        return self._step // len(self)

    def set_epoch(self, epoch: int) -> None:
        """Make ``epoch`` the next epoch.

        If this is called directly after `load_state_dict`, with the interrupted epoch, that epoch is resumed.
        """
        epoch = integer_of("epoch", epoch, least=0)
        if not (self._resumed and epoch == self.epoch):
            self._step = epoch * len(self)

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch returned, and the settings that the order of batches depends on.

        It contains only numbers and strings, and is the same on every rank.
        """
        epoch, position = divmod(self._step, len(self))
        return {"epoch": epoch, "position": position, **self._settings()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next iteration continue after the last batch before `state_dict` was called.

        Raises `ArgumentError` if ``state`` is from a loader with other settings or data, or not a state.
        """
        settings = self._settings()
        if not isinstance(state, Mapping):
            raise ArgumentError("not the state of a FreDLoader", found=type(state).__name__)
        if set(state) != {"epoch", "position", *settings}:
            raise ArgumentError("not the state of a FreDLoader", found=sorted(map(str, state)))
        for name, value in settings.items():
            if not isinstance(state[name], int | np.integer) or state[name] != value:
                raise ArgumentError(
                    "the state is from a loader with other settings", where=name, expected=value, found=state[name]
                )
        epoch, position = state["epoch"], state["position"]
        if not (is_integer(epoch) and is_integer(position) and 0 <= epoch <= LARGEST and 0 <= position < len(self)):
            raise ArgumentError(
                "position out of range",
                expected=f"a position below {len(self)}",
                found=dict(state),
            )
        self._step = int(epoch) * len(self) + int(position)
        self._resumed = True

    def __len__(self) -> int:
        """Batches per epoch, the same on every rank."""
        whole = self._share // self.batch_size
        return whole if self.drop_last else -(-self._share // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        if not self._resumed:
            self._step = -(-self._step // len(self)) * len(self)
        self._resumed = False
        epoch, position = divmod(self._step, len(self))
        order = self._order(epoch)
        rows = order.to(self.device)
        for batch in range(position, len(self)):
            self._step = epoch * len(self) + batch + 1
            yield self._batch(rows[batch * self.batch_size : (batch + 1) * self.batch_size])

    @property
    def _share(self) -> int:
        """Instances per epoch and rank."""
        whole = len(self.data) // self.world_size
        return whole if self.drop_last else -(-len(self.data) // self.world_size)

    def _order(self, epoch: int) -> Tensor:
        """This rank's instances in the order of an epoch, (share,) int64 on the CPU."""
        count = len(self.data)
        if self.shuffle:
            key = hashlib.sha256(f"{self.seed}/order/{epoch}".encode()).digest()
            generator = torch.Generator("cpu").manual_seed(int.from_bytes(key[:8], "little") >> 1)
            order = torch.randperm(count, generator=generator, device="cpu")
        else:
            order = torch.arange(count, device="cpu")
        places = torch.arange(self.rank, self._share * self.world_size, self.world_size, device="cpu") % count
        return order[places]

    def _batch(self, rows: Tensor) -> tuple[Any, Tensor]:
        """Images and labels of instances, (B,) int64 on the device."""
        images: Any = self._decoder(self._coefficients.index_select(0, rows), self._masks.index_select(0, rows))
        if self._unit is not None:
            mean, std = self._unit
            images = torch.addcmul(mean, images, std)
        if self._clip and not self._normalized:
            images = images.clamp(0, 1)
        if self.transform is not None:
            images = self.transform(images)
        return images, self._labels.index_select(0, rows)

    def _settings(self) -> dict[str, Any]:
        """The settings on which the order of batches depends, besides the epoch."""
        return {
            "seed": self.seed,
            "shuffle": self.shuffle,
            "batch_size": self.batch_size,
            "drop_last": self.drop_last,
            "world_size": self.world_size,
            "instances": len(self.data),
        }

    def __repr__(self) -> str:
        return f"FreDLoader of {self.data!r}\n  {len(self)} batches of {self.batch_size} on {self.device}"


def _moments(data: FreDData, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Mean and standard deviation (C, 1, ...) on the device, which convert images from the stored space to 0..1."""
    check_unit(data.metadata)
    normalization = data.metadata.normalization
    if normalization is None:
        return None
    mean, std = normalization.moments(len(data.metadata.spatial_shape))
    return torch.tensor(mean, dtype=dtype, device=device), torch.tensor(std, dtype=dtype, device=device)
