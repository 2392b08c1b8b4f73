"""`FreDData`: a dataset as coefficients, masks and labels, checked once and then read-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FormatError, check
from fredfmt.model.arguments import expect_kind
from fredfmt.model.blocks import blocks
from fredfmt.model.mapped import pieces
from fredfmt.model.metadata import Metadata
from fredfmt.model.ordering import is_ordered
from fredfmt.transforms import TRANSFORMS, spatial_size, synthesis_matrix

ARRAYS = ("coefficients", "frequencies", "labels", "mask_of", "base")
"""The arrays of a dataset in the order in which they are stored and hashed."""

LARGEST = 1e30
"""The largest magnitude of a coefficient; sums of larger ones could overflow float32."""

_STORED = {"uniform": (np.int16, np.int32), "float16": (np.float16,), "float32": (np.float32,)}


@dataclass(frozen=True, eq=False, repr=False)
class FreDData:
    """N instances of C channels with K kept frequencies each, and M masks; all arrays are numpy, read-only.

    Raises `FormatError` for arrays that contradict each other or the metadata.

    >>> import numpy as np
    >>> from fredfmt import Metadata, Quantization
    >>> metadata = Metadata((8, 12), 3, ("cat", "dog"), "dct", Quantization("uniform", step=0.5))
    >>> masks = np.array([[0, 1, 12], [0, 12, 13]], np.uint16)
    >>> data = FreDData(np.zeros((4, 3, 3), np.int16), masks, np.array([0, 0, 1, 1]), metadata)
    >>> len(data), data.k, data.mask_of
    (4, 3, array([0, 0, 1, 1], dtype=uint8))
    """

    coefficients: NDArray[Any]
    """(instance, channel, frequency) int16 or int32 in units of the step, or float16 or float32."""
    frequencies: NDArray[Any]
    """(mask, frequency) uint16 or uint32: flat row-major indices into the spatial shape, coarse to fine."""
    labels: NDArray[Any]
    """(instance,) unsigned integers below the number of classes, or (instance, class) float probabilities."""
    metadata: Metadata
    mask_of: NDArray[Any] = None  # type: ignore[assignment]  # always an array once constructed
    """(instance,) unsigned integers: the mask of each instance; by default its label."""
    base: NDArray[Any] | None = None
    """(mask, channel, frequency), the coefficients' dtype and units: a spectrum added to every instance of a mask."""

    def __post_init__(self) -> None:
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                array = np.asarray(array)
                object.__setattr__(self, name, array.astype(array.dtype.newbyteorder("="), copy=False))
        with check():
            self._check_coefficients()
            with check():
                self._check_frequencies()
            with check():
                self._check_labels()
                self._check_mask_of()
            with check():
                self._check_base()
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                array = array.view()
                array.setflags(write=False)
                object.__setattr__(self, name, array)

    def _check_coefficients(self) -> None:
        array, meta = self.coefficients, self.metadata
        if meta.transform not in TRANSFORMS:
            raise FormatError(
                "unknown",
                where="transform",
                expected=", ".join(sorted(TRANSFORMS)),
                found=meta.transform,
                rule="FRED-118",
            )
        _expect(array, "coefficients", (None, meta.channels, None), _STORED[meta.quantization.mode])
        if array.shape[0] < 1 or array.shape[2] < 1:
            raise FormatError("no instance or no frequency", where="coefficients", found=array.shape, rule="FRED-202")
        _bounded(array, "coefficients", self.step)

    def _check_frequencies(self) -> None:
        size = spatial_size(self.metadata.spatial_shape)
        _expect(self.frequencies, "frequencies", (None, self.k), (np.uint16, np.uint32))
        if self.frequencies.shape[0] < 1:
            raise FormatError("no mask", where="frequencies", found=self.frequencies.shape, rule="FRED-202")
        if self.frequencies.max() >= size:
            raise FormatError(
                "an index is outside the spatial shape",
                where="frequencies",
                expected=f"below {size}",
                found=int(self.frequencies.max()),
                rule="FRED-205",
            )
        wide = np.uint16 if size <= 2**16 else np.uint32
        object.__setattr__(self, "frequencies", self.frequencies.astype(wide, copy=False))
        ordered = is_ordered(self.frequencies, self.metadata.spatial_shape)
        if not ordered.all():
            raise FormatError(
                "a mask repeats an index or is not in canonical order",
                where="frequencies",
                expected="coarse to fine (fredfmt.model.ordering)",
                found=f"mask {int(np.argmin(ordered))}",
                rule="FRED-206",
            )

    def _check_labels(self) -> None:
        array, classes = self.labels, len(self.metadata.classes)
        if array.ndim == 2:
            _expect(array, "labels", (self.coefficients.shape[0], classes), (np.float16, np.float32))
            _finite(array, "labels")
            if array.min() < 0 or _furthest_sum(array) > 0.01:
                raise FormatError(
                    "not probabilities", where="labels", expected="at least 0, each row a sum of 1", rule="FRED-208"
                )
            return
        object.__setattr__(self, "labels", _indices(array, "labels", self.coefficients.shape[0], classes, "FRED-207"))

    def _check_mask_of(self) -> None:
        masks = self.frequencies.shape[0]
        if getattr(self, "mask_of", None) is None:
            if self.labels.ndim != 1:
                raise FormatError("missing, although labels are soft", where="mask_of", rule="FRED-210")
            if masks != len(self.metadata.classes):
                raise FormatError(
                    "without mask_of, there must be one mask per class",
                    where="frequencies",
                    expected=f"{len(self.metadata.classes)} masks",
                    found=masks,
                    rule="FRED-210",
                )
            object.__setattr__(self, "mask_of", self.labels)
        object.__setattr__(
            self, "mask_of", _indices(self.mask_of, "mask_of", self.coefficients.shape[0], masks, "FRED-209")
        )

    def _check_base(self) -> None:
        if self.base is not None:
            shape = (self.frequencies.shape[0], self.metadata.channels, self.k)
            _expect(self.base, "base", shape, (self.coefficients.dtype.type,))
            _bounded(self.base, "base", self.step)

    @property
    def k(self) -> int:
        """Number of kept frequencies, K."""
        return int(self.coefficients.shape[2])

    @property
    def step(self) -> float:
        """The factor from stored to real coefficients: the quantisation step, or 1 for floating point."""
        return self.metadata.quantization.step or 1.0

    @property
    def soft(self) -> bool:
        """Whether labels are probabilities."""
        return self.labels.ndim == 2

    @property
    def hard_labels(self) -> NDArray[np.int64]:
        """(instance,) int64: the class of each instance; for soft labels, the most probable class."""
        return hard_labels(self.labels)

    def spectra(self, rows: slice | NDArray[Any] = slice(None), *, k: int | None = None) -> NDArray[np.float64]:
        """(instance, channel, frequency) float64: coefficients of the instances ``rows`` in orthonormal units,
        including the base, of the stored channels (`channel_matrix`); with ``k``, only of the coarsest ones."""
        stored = self.coefficients[rows, :, :k].astype(np.float64)
        if self.base is not None:
            stored += self.base[self.mask_of[rows], :, :k]
        return stored * self.step

    def image_spectra(self, rows: slice | NDArray[Any] = slice(None), *, k: int | None = None) -> NDArray[np.float64]:
        """`spectra` of the channels of the images, with the transform along the channels undone."""
        spectra = self.spectra(rows, k=k)
        return spectra if self.channel_matrix is None else self.channel_matrix @ spectra

    @property
    def channel_matrix(self) -> NDArray[np.float64] | None:
        """(image channel, stored channel): the synthesis matrix of the channel transform, if there is one."""
        name = self.metadata.channel_transform
        return None if name is None else synthesis_matrix(name, self.metadata.channels)

    @property
    def masks_are_labels(self) -> bool:
        """Whether `mask_of` equals the labels, so that a file can omit it."""
        return (
            self.labels.ndim == 1
            and self.frequencies.shape[0] == len(self.metadata.classes)
            and np.array_equal(self.mask_of, self.labels)
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays in memory."""
        owned = {id(array.base if array.base is not None else array): array.nbytes for array in self._arrays()}
        return sum(owned.values())

    def _arrays(self) -> list[NDArray[Any]]:
        return [array for name in ARRAYS if (array := getattr(self, name)) is not None]

    def __len__(self) -> int:
        return int(self.coefficients.shape[0])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FreDData):
            return NotImplemented
        if self.metadata != other.metadata:
            return False
        for name in ARRAYS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if (mine is None) != (theirs is None):
                return False
            if mine is not None and (mine.dtype != theirs.dtype or not np.array_equal(mine, theirs)):
                return False
        return True

    __hash__ = None  # type: ignore[assignment]  # arrays do not hash; fredfmt.digest does

    def __repr__(self) -> str:
        meta = self.metadata
        shape = "x".join(map(str, (meta.channels, *meta.spatial_shape)))
        stored = f"step {meta.quantization.step:g}" if meta.quantization.step else meta.quantization.mode
        head = f"FreDData: {len(self)} instances of {shape}, {len(meta.classes)} classes"
        whitened = ", whitened" if meta.whitening else ""
        lines = [f"{head}, k={self.k} {meta.transforms}, {stored}{whitened}"]
        for name in ARRAYS:
            if (array := getattr(self, name)) is not None:
                lines.append(f"  {name:<13}{'x'.join(map(str, array.shape)):<16}{array.dtype}")
        return "\n".join(lines)


def hard_labels(labels: NDArray[Any]) -> NDArray[np.int64]:
    """(instance,) int64: the labels, or the most probable classes of (instance, class) probabilities."""
    return (labels if labels.ndim == 1 else labels.argmax(axis=1)).astype(np.int64, copy=False)


def expect_data(data: object) -> None:
    """Raise `ArgumentError` for anything but a `FreDData`."""
    hint = "fredfmt.load reads one from a file, fredfmt.encode makes one from images"
    expect_kind(data, FreDData, "not a dataset", expected="a FreDData", hint=hint)


def _expect(array: NDArray[Any], name: str, shape: tuple[int | None, ...], dtypes: tuple[type, ...]) -> None:
    if array.dtype.type not in dtypes:
        raise FormatError(
            "wrong dtype",
            where=name,
            expected=" or ".join(np.dtype(dtype).name for dtype in dtypes),
            found=array.dtype,
            rule="FRED-203",
        )
    if len(shape) != array.ndim or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        expected = tuple("any" if length is None else length for length in shape)
        raise FormatError("wrong shape", where=name, expected=expected, found=array.shape, rule="FRED-202")


def _finite(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "f" and not all(np.isfinite(part).all() for part in pieces(array)):
        raise FormatError("NaN or infinity", where=name, expected="finite values", rule="FRED-204")


def _furthest_sum(array: NDArray[Any]) -> float:
    """The largest difference between 1 and the sum of a row of probabilities."""
    rows = blocks(len(array), 8 * array.shape[1])
    return max(float(np.abs(array[some].sum(axis=1, dtype=np.float64) - 1).max()) for some in rows)


def _bounded(array: NDArray[Any], name: str, step: float) -> None:
    _finite(array, name)
    largest = max(max(-float(part.min()), float(part.max())) for part in pieces(array)) * step
    if largest > LARGEST:
        raise FormatError(
            "a value is too large to decode in float32",
            where=name,
            expected=f"magnitudes up to {LARGEST:g}",
            found=f"{largest:g}",
            rule="FRED-211",
        )


def _indices(array: NDArray[Any], name: str, length: int, bound: int, rule: str) -> NDArray[Any]:
    """Integers below ``bound`` in the narrowest unsigned dtype that holds them."""
    if array.dtype.kind not in "iu":
        raise FormatError("wrong dtype", where=name, expected="integers", found=array.dtype, rule="FRED-203")
    if array.shape != (length,):
        raise FormatError("wrong shape", where=name, expected=f"({length},)", found=array.shape, rule="FRED-202")
    if array.min() < 0 or array.max() >= bound:
        raise FormatError(
            "out of range",
            where=name,
            expected=f"0 to {bound - 1}",
            found=int(array.max() if array.max() >= bound else array.min()),
            rule=rule,
        )
    return array.astype(np.min_scalar_type(bound - 1), copy=False)
