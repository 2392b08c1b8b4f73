"""ZCA whitening: the matrix that removes the correlations of the pixels of a train split, and its inverse.

A file of whitened images records how its matrix was computed (`fredfmt.model.parts.Whitening`), not the matrix, which
is many times larger than the file. The same images give the same matrix. See docs/decisions/zca.md.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.views import Images, RowIndex, View, blocks, unit
from fredfmt.errors import ArgumentError
from fredfmt.model.arguments import positive_of
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Whitening

_log = logging.getLogger(__name__)

EPSILON = 0.1
"""The epsilon of Kornia and Matching Training Trajectories, for pixels in 0..1."""
LARGEST = 8192
"""The largest number of values of an image; beyond it the matrix takes more than half a gigabyte."""


class RealImages(Protocol):
    """The part of `fredfmt.data.sources.Source` that whitening uses."""

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def images(self) -> Images: ...
    def provenance(self) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False, repr=False)
class ZCA:
    """The whitening ``z = W (y - m)`` of images y in 0..1, each as one vector of D values (all channels and positions).

    m and S are the mean and the covariance (divisor n - 1) of n images, and ``W = (S + epsilon I) ** -1/2`` is
    symmetric.

    >>> from fredfmt import ZCA, open_source
    >>> source = open_source("digits").sample(20)
    >>> whitening = ZCA.fit(source)
    >>> pixels = source.images[:3] / 255
    >>> np.allclose(whitening.unwhiten(whitening.whiten(pixels)), pixels, atol=1e-5)
    True
    """

    mean: NDArray[np.float32]
    """(D,)."""
    matrix: NDArray[np.float32]
    """(D, D): W."""
    inverse: NDArray[np.float32]
    """(D, D)."""
    record: Whitening
    """The description that files record."""

    @classmethod
    def fit(cls, source: RealImages, epsilon: float = EPSILON) -> Self:
        """Compute the whitening from all images of ``source``, usually a train split, which are read block by block.

        Raises `ArgumentError` for fewer than two images, images of more than `LARGEST` values, or an unusable epsilon.
        """
        size = int(np.prod(source.images.shape[1:]))
        if size > LARGEST:
            raise ArgumentError(
                "images are too large to be whitened",
                where=source.name,
                expected=f"at most {LARGEST} values",
                found=size,
            )
        if len(source.images) < 2:
            raise ArgumentError(
                "whitening needs images", where=source.name, expected="at least 2", found=len(source.images)
            )
        epsilon = positive_of("epsilon", epsilon)
        record = Whitening("zca", epsilon, images=_digest(source.images), source=source.provenance())
        mean, covariance = _moments(source.images)
        variances, directions = np.linalg.eigh(covariance)
        deviations = np.sqrt(np.maximum(variances, 0) + epsilon)
        matrix, inverse = ((directions * scale) @ directions.T for scale in (1 / deviations, deviations))
        return cls(mean.astype(np.float32), matrix.astype(np.float32), inverse.astype(np.float32), record)

    @classmethod
    def of(cls, metadata: Metadata, source: RealImages) -> Self:
        """The whitening that a file's metadata describe, computed from the train split that they name.

        Raises `ArgumentError` if the file's images are not whitened, if they were whitened after a normalisation (which
        fredfmt does not do), or if the file's matrix was computed from other images than those of ``source``. If the
        file does not record these images, and names another source, a warning is logged.
        """
        record, normalization = metadata.whitening, metadata.normalization
        if record is None:
            raise ArgumentError("the images are not whitened, so there is no matrix")
        if normalization is not None and (any(normalization.mean) or any(std != 1 for std in normalization.std)):
            raise ArgumentError(
                "the images were normalised before they were whitened",
                expected="whitening of images in 0..1",
                found=normalization,
            )
        if record.images is not None and (found := _digest(source.images)) != record.images:
            raise ArgumentError(
                "the data were whitened with other images",
                where=f"{source.name} {source.split}",
                expected=f"{record.images} ({_words(record)})",
                found=found,
            )
        if record.images is None and (words := other_source(metadata, source)):
            _log.warning(
                "%s; the file does not record the images with which they were whitened, so the matrix is computed from"
                " the given ones: the result is correct only if they are the same",
                words,
            )
        return cls.fit(source, record.epsilon)

    def fits(self, metadata: Metadata) -> bool:
        """Whether this is the whitening of a file's metadata; if its images are unknown, only epsilon is compared."""
        record = metadata.whitening
        same = record is not None and record.epsilon == self.record.epsilon
        return same and record is not None and record.images in (None, self.record.images)

    def whiten(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Whiten (N, C, *spatial) images in 0..1."""
        flat = images.reshape(len(images), -1).astype(np.float32, copy=False) - self.mean
        return _shaped(flat @ self.matrix, images)

    def unwhiten(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """The inverse of `whiten`: (N, C, *spatial) images in 0..1, not clipped."""
        flat = np.asarray(images).reshape(len(images), -1).astype(np.float32, copy=False) @ self.inverse
        return _shaped(flat + self.mean, images)


class Whitened(View):
    """Whitened images, computed from images in 0..1."""

    def __init__(self, images: Images, whitening: ZCA) -> None:
        super().__init__(images)
        self._whitening = whitening

    def __getitem__(self, rows: RowIndex, /) -> NDArray[np.float32]:
        return self._whitening.whiten(self._images[rows])


def warn_if_whitened(metadata: Metadata) -> None:
    """Log a warning if images are whitened: networks that are trained on them need whitened test images."""
    if metadata.whitening is not None:
        _log.warning(
            "the images are whitened (ZCA): networks that are trained on them need whitened test images; whiten these"
            " with the same matrix, fredfmt.ZCA.of(data.metadata, train)"
        )


def other_source(metadata: Metadata, source: RealImages) -> str:
    """How the real images that the data come from differ from ``source``, in words; empty if they do not."""
    name, split = (metadata.source.get(key) for key in ("name", "split"))
    if name == source.name and split in (None, source.split):
        return ""
    known = " ".join(str(part) for part in (name, split) if part) or "unnamed images"
    return f"the data come from {known}, but the given images are {source.name} {source.split}"


def check_unit(metadata: Metadata, whitening: ZCA | None = None) -> None:
    """Raise `ArgumentError` for whitened images, unless their whitening is given, which converts them to 0..1."""
    if metadata.whitening is None:
        return
    if whitening is None:
        raise ArgumentError(
            "the images are whitened (ZCA), and the file does not contain the matrix to convert them to 0..1",
            where="normalized=False",
            hint="Use whitened images (normalized=True), or compute the matrix from the real train split:"
            " whitening=fredfmt.ZCA.of(data.metadata, train); on the command line: preview --on SOURCE",
        )
    if not whitening.fits(metadata):
        raise ArgumentError(
            "the whitening is not that of the data", expected=metadata.whitening, found=whitening.record
        )


def _shaped(flat: NDArray[Any], images: NDArray[Any]) -> NDArray[np.float32]:
    return flat.reshape(images.shape)


def _moments(images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(D,) mean and (D, D) covariance of images in 0..1. Sums of 8-bit pixels are exact in any order."""
    size = int(np.prod(images.shape[1:]))
    total, square = np.zeros(size), np.zeros((size, size))
    for block in blocks(images):
        flat = block.reshape(len(block), -1).astype(np.float64)
        total += flat.sum(axis=0)
        square += flat.T @ flat
    count, scale = len(images), unit(images.dtype)
    mean = total / (count * scale)
    covariance = (square / scale**2 - count * np.outer(mean, mean)) / (count - 1)
    return mean, (covariance + covariance.T) / 2


def _digest(images: Images) -> str:
    """SHA-256 of all pixels, row-major: bytes, or little-endian float32 if they are not bytes."""
    state = hashlib.sha256()
    for block in blocks(images):
        state.update(np.ascontiguousarray(block, np.uint8 if images.dtype == np.uint8 else "<f4").data)
    return f"sha256:{state.hexdigest()}"


def _words(record: Whitening) -> str:
    known = [str(record.source[key]) for key in ("name", "split", "selection") if key in record.source]
    return ", ".join(known) or "not named"
