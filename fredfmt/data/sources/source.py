"""`Source`: one split of a dataset of real images, with the provenance that a file records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import Images, Normalized, Selected, check_normalization
from fredfmt.codec.whitening import ZCA, Whitened
from fredfmt.data.sources import splits
from fredfmt.errors import ArgumentError, SourceError, located
from fredfmt.model.arguments import expect_kind, indices_of
from fredfmt.model.parts import Normalization
from fredfmt.model.selection import class_numbers

HELD_BYTES = 1 << 28
"""The largest size of images that are read into memory at once."""


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """N real images with hard labels. Images may be decoded lazily; no array is changed in place.

    Raises `SourceError` for parts that contradict each other, and `ArgumentError` for a normalisation that images in
    0..1 cannot have.

    >>> import numpy as np
    >>> from fredfmt import Normalization, Source
    >>> pixels = np.zeros((6, 3, 8, 12), np.uint8)
    >>> grey = Normalization([0.5] * 3, [0.25] * 3)
    >>> source = Source("pets", "train", pixels, np.array([0, 0, 0, 1, 1, 1]), ("cat", "dog"), grey)
    >>> source
    Source pets, train: 6 images of 3x8x12 uint8, 2 classes
    >>> source.sample(2).labels
    array([0, 0, 1, 1])
    >>> source.batch([4])[0, :, 0, 0]
    array([-2., -2., -2.], dtype=float32)
    """

    name: str
    split: str
    """``train`` or ``test``."""
    images: Images
    """(N, C, *spatial), uint8 or float in 0..1, rows by slice or integer array."""
    labels: NDArray[np.int64]
    """(N,) int64, below the number of classes."""
    classes: tuple[str, ...]
    normalization: Normalization
    """Mean and standard deviation per channel of the *train* split, whichever split this is."""
    license: str | None = None
    """SPDX identifier, or a description if there is none."""
    url: str | None = None
    citation: str | None = None
    selection: str | None = None
    """How these images were chosen; empty if they are the whole published split."""
    aliases: tuple[str, ...] = ()
    """Other names of the classes, which `of_classes` also accepts; may be empty."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Other content of the source, which is not read, with the number of each kind."""
    whitening: ZCA | None = None
    """Whitening, applied to the normalised images; see `whitened`."""
    normalized: Images = field(init=False)
    """The normalised (and whitened) images as float32. Rows are computed when they are accessed (slice or integer
    array), so ``fredfmt.encode(source.normalized, source.labels, ...)`` needs little memory."""

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.shape != (len(self.images),) or labels.dtype.kind not in "iu":
            raise SourceError(
                "labels do not fit the images",
                where=self.name,
                expected=f"({len(self.images)},) integers",
                found=f"{labels.shape} {labels.dtype}",
            )
        if not 3 <= len(self.images.shape) <= 5 or min(self.images.shape) < 1:
            raise SourceError(
                "the shape of the images is unusable",
                where=self.name,
                expected="(N, C, *spatial), 1 to 3 spatial axes",
                found=self.images.shape,
            )
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise SourceError(
                "a label is not a class number",
                where=self.name,
                expected=f"0 to {len(self.classes) - 1}",
                found=int(labels.min() if labels.min() < 0 else labels.max()),
            )
        with located(self.name):
            check_normalization(self.normalization, self.channels)
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))
        object.__setattr__(self, "classes", tuple(self.classes))
        normalized = Normalized(self.images, self.normalization)
        whitened = Whitened(normalized, self.whitening) if self.whitening else normalized
        object.__setattr__(self, "normalized", whitened)

    @property
    def channels(self) -> int:
        """C, the number of channels."""
        return int(self.images.shape[1])

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """The lengths of the spatial axes: (height, width) for images."""
        return tuple(int(length) for length in self.images.shape[2:])

    @property
    def counts(self) -> NDArray[np.int64]:
        """(class,) int64, the number of images of each class."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64, copy=False)

    def batch(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The images at ``indices``, (B, C, *spatial) float32, normalised."""
        return self.normalized[indices_of(indices, len(self))]

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]], *, selection: str = "chosen images") -> Source:
        """The images at ``indices`` as another source with the same normalisation; nothing is copied. ``selection``
        describes how they were chosen, for `provenance`.
        """
        chosen = indices_of(indices, len(self))
        return replace(
            self,
            images=Selected(self.images, chosen),
            labels=self.labels[chosen],
            selection=f"{self.selection}; {selection}" if self.selection else selection,
        )

    def of_classes(self, which: Sequence[str | int]) -> Source:
        """The images of some classes, given by name or number (names take precedence) and renumbered in the given
        order.

        A class given by an alias (`aliases`) is renamed to that alias. The normalisation stays that of all classes.
        Raises `ArgumentError` for an unknown class, or one given twice.
        """
        numbers = class_numbers(which, self.classes, aliases=self.aliases, where=self.name)
        names = [which] if isinstance(which, str) else map(str, which)
        classes = tuple(
            name if name in self.aliases else self.classes[number] for name, number in zip(names, numbers, strict=True)
        )
        if numbers == list(range(len(self.classes))):
            return self if classes == self.classes else replace(self, classes=classes)
        renumbered = np.full(len(self.classes), -1, np.int64)
        renumbered[numbers] = np.arange(len(numbers))
        rows = np.flatnonzero(renumbered[self.labels] >= 0)
        chosen = self.subset(rows, selection=f"{len(numbers)} of {len(self.classes)} classes")
        others = tuple(self.aliases[number] for number in numbers) if self.aliases else ()
        return replace(chosen, labels=renumbered[chosen.labels], classes=classes, aliases=others)

    def whitened(self, whitening: ZCA) -> Source:
        """The same images with a whitening, whose normalisation replaces that of the source."""
        plain = Normalization((0.0,) * self.channels, (1.0,) * self.channels)
        return replace(self, normalization=plain, whitening=whitening)

    def in_space(self, zca_epsilon: float | None) -> Source:
        """The source in the space of a distillation: whitened by its own images with ``zca_epsilon``, or unchanged if
        that is None. Raises `ArgumentError` if the source already has another whitening.
        """
        if zca_epsilon is not None and self.whitening is None:
            return self.whitened(ZCA.fit(self, zca_epsilon))
        found = self.whitening.record.epsilon if self.whitening else None
        if found != zca_epsilon:
            raise ArgumentError(
                "the source has another whitening than the settings",
                where="zca_epsilon",
                expected="no whitening" if zca_epsilon is None else f"{zca_epsilon:g}",
                found=f"{found:g}",
            )
        return self

    def split_off(self, fraction: float, seed: int = 0, *, least: int = 0) -> tuple[Source, Source]:
        """(rest, held out) for validation: a random ``fraction`` of every class, drawn by ``seed``; both keep their
        order. Of a class with fewer than ``least`` images, none are held out."""
        rest, held_out = splits.hold_out(self.labels, fraction, seed, least=least, names=self.classes)
        left, held = splits.words(fraction, seed)
        return self.subset(rest, selection=left), self.subset(held_out, selection=held)

    def sample(self, per_class: int | Sequence[int], *, seed: int = 0) -> Source:
        """``per_class`` random images of every class, drawn by ``seed``, class by class; a sequence gives a number for
        each class.

        Raises `ArgumentError` for a class with fewer images.
        """
        chosen = splits.draw(self.labels, per_class, seed, names=self.classes)
        counts = sorted({min(per_class), max(per_class)}) if isinstance(per_class, Sequence) else (per_class,)
        count = " to ".join(map(str, counts))
        return self.subset(chosen, selection=f"{count} random images per class, seed {seed}")

    def in_memory(self) -> Source:
        """The same images, read once if they take at most 256 MiB, for those who read them again and again."""
        size = math.prod(self.images.shape) * self.images.dtype.itemsize
        return replace(self, images=self.images[:]) if size <= HELD_BYTES else self

    def provenance(self) -> dict[str, Any]:
        """What a file records about its source: JSON values for ``Metadata.source``."""
        entries = {
            "name": self.name,
            "split": self.split,
            "count": len(self),
            "selection": self.selection,
            "left_out": dict(self.left_out) or None,
            "license": self.license,
            "url": self.url,
        }
        return {key: value for key, value in entries.items() if value is not None}

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "x".join(map(str, (self.channels, *self.spatial_shape)))
        text = f"Source {self.name}, {self.split}: {len(self)} images of {shape} {self.images.dtype}"
        text += f", {len(self.classes)} classes"
        return f"{text} ({self.selection})" if self.selection else text


def expect_source(source: object) -> None:
    """Raise `ArgumentError` for anything but a `Source`."""
    hint = 'fredfmt.open_source("folder:PATH") opens one'
    expect_kind(source, Source, "not a source of real images", expected="a Source", hint=hint)
