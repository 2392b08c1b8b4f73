"""``npz:PATH``: arrays in one NumPy archive."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.codec.inputs import class_numbers
from fredfmt.codec.views import PLAUSIBLE, Images, Selected, blocks, channel_normalization
from fredfmt.data.sources.notices import warn_of_omissions, warn_of_own_split
from fredfmt.data.sources.request import Request
from fredfmt.data.sources.source import Source
from fredfmt.data.sources.splits import own_split
from fredfmt.data.sources.stored import StoredArray
from fredfmt.errors import SourceError, located

_SPELLINGS = (
    ("images", "labels", "test_images", "test_labels"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
)
_FAINT = 1.5 / 255
"""Images whose maximum is below this were divided by 255 twice: no real images are so dark."""
LARGE = 32 << 20
"""Images of at least this many bytes in an uncompressed archive are not loaded but read by row."""


def open_npz(request: Request) -> Source:
    """Arrays ``images`` and ``labels``, and optionally ``test_images``, ``test_labels`` and ``class_names``.

    The names ``x_train``, ``y_train``, ``x_test``, ``y_test`` and ``train_images``, ``train_labels`` are also
    recognised. Without test arrays a random fifth of every class is the test split.

    Images are uint8, or floats in 0..1 (a small excess, as in decoded images, is accepted). Labels are integers, or
    probabilities of which the largest gives the class. The channel axis: (N, length) and (N, height, width) have one
    channel. Otherwise it is axis 1 or the last one, whichever has length 1 or 3. If both or neither do, the archive
    must hold an array ``channel_axis``. Objects are never unpickled. Large arrays that are not compressed
    (``np.savez``) are read row by row when they are accessed, so memory does not grow with them.
    """
    path = request.path
    with located(path):
        arrays = _load(path)
        spelling = next((names for names in _SPELLINGS if names[0] in arrays), None)
        if spelling is None or spelling[1] not in arrays:
            expected = " or ".join(f"{names[0]} and {names[1]}" for names in _SPELLINGS)
            raise SourceError("arrays are missing", expected=expected, found=sorted(arrays))
        axis = arrays.get("channel_axis")
        images, labels = _images(arrays, spelling[0], axis), _labels(arrays, spelling[1])
        if len(images) != len(labels):
            raise SourceError("not one label per image", expected=len(images), found=len(labels))
        selection: str | None = None
        if spelling[2] in arrays and spelling[3] in arrays:
            train = images
            test, test_labels = _images(arrays, spelling[2], axis), _labels(arrays, spelling[3])
            if test.shape[1:] != images.shape[1:]:
                raise SourceError("test images differ in shape", expected=images.shape[1:], found=test.shape[1:])
            most = max(labels.max(), test_labels.max())
            chosen = (images, labels) if request.split == "train" else (test, test_labels)
        else:
            most = labels.max()
            wanted = request.wanted(_class_names(arrays, most + 1))
            rest, rows, selection = own_split(labels, request.split, wanted)
            warn_of_own_split(str(path), selection)
            train = Selected(images, rest)
            chosen = (train if request.split == "train" else Selected(images, rows), labels[rows])
        request.check_shape(images.shape[2:])
        left_out = {
            f"in the array {other}": len(np.atleast_1d(array))
            for other, array in arrays.items()
            if other not in (*spelling, "channel_axis", "class_names", "space")
        }
        warn_of_omissions(str(path), len(chosen[0]), left_out)
        return Source(
            left_out=left_out,
            name=f"npz:{path.name}",
            split=request.split,
            images=chosen[0],
            labels=chosen[1],
            classes=_class_names(arrays, most + 1),
            normalization=channel_normalization(train),
            selection=selection,
        )


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        found = "a folder" if path.is_dir() else None
        raise SourceError("no such file", found=found, hint="Check the path")
    try:
        large = _left_in_the_file(path)
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: large[name] if name in large else archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError("not a readable NumPy archive of plain arrays", found=str(error)) from None


def _left_in_the_file(path: Path) -> dict[str, StoredArray]:
    """Large arrays of images whose rows can be read one at a time."""
    names = {f"{name}.npy" for spelling in _SPELLINGS for name in spelling[::2]}
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename in names and member.file_size >= LARGE:
                stored = StoredArray.of(archive, member, path)
                if stored is not None and stored.dtype in (np.uint8, np.float32):
                    found[member.filename.removesuffix(".npy")] = stored
    return found


def _images(arrays: dict[str, Any], name: str, channel_axis: NDArray[Any] | None) -> Images:
    """(N, C, *spatial) uint8 or float32."""
    images = arrays[name]
    if 0 in images.shape or not 2 <= images.ndim <= 5:
        raise SourceError("the shape of the images is unusable", where=name, found=images.shape)
    if images.dtype != np.uint8:
        if images.dtype.kind != "f":
            raise SourceError("wrong dtype", where=name, expected="uint8, or float in 0..1", found=images.dtype)
        parts = [(block.min(), block.max()) for block in blocks(images)]
        low, high = float(np.min(parts)), float(np.max(parts))  # NaN if any is
        if not (math.isfinite(low) and math.isfinite(high)):
            raise SourceError("NaN or infinity among the images", where=name, hint="Remove or replace these images")
        if not (PLAUSIBLE[0] <= low and high <= PLAUSIBLE[1]) or 0 < high < _FAINT:
            raise SourceError(
                "floats are not in 0..1",
                where=name,
                expected="0 black, 1 white",
                found=f"{low:g} to {high:g}",
                hint=_remedy(low, high),
            )
        if isinstance(images, np.ndarray):
            images = images.astype(np.float32, copy=False)
    axis = _channel_axis(images.shape, name) if channel_axis is None else _given_axis(images.shape, name, channel_axis)
    if isinstance(images, StoredArray):
        return images.with_channels(axis)
    return images[:, None] if axis is None else np.ascontiguousarray(np.moveaxis(images, axis, 1))


def _remedy(low: float, high: float) -> str:
    """What to do with images whose values range from ``low`` to ``high``."""
    if 0 < high < _FAINT:
        return "Multiply by 255: they were divided twice"
    if -1.01 <= low < 0 and 0.9 < high <= 1.01:
        return "Store (images + 1) / 2 if -1 is black"
    if low >= 0 and 2 < high <= 255:
        return "Store images / 255, or uint8"
    return "Undo the normalisation (images * std + mean), or store uint8"


def _class_names(arrays: dict[str, Any], count: int) -> tuple[str, ...]:
    """``class_names`` as text, or the numbers of ``count`` classes."""
    names = arrays.get("class_names")
    if names is None:
        return class_numbers(count, where="labels", instead="an array class_names", error=SourceError)
    try:
        return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names.ravel().tolist())
    except UnicodeDecodeError as error:
        raise SourceError("a class name is not UTF-8", where="class_names", found=error.object) from None


def _given_axis(shape: tuple[int, ...], name: str, channel_axis: NDArray[Any]) -> int:
    if (
        channel_axis.size != 1
        or channel_axis.dtype.kind not in "iu"
        or int(channel_axis.item())
        not in (
            *range(1, len(shape)),
            -1,
        )
    ):
        raise SourceError(
            "channel_axis is not an axis of the images",
            where=name,
            expected=f"an integer, 1 to {len(shape) - 1} or -1",
            found=channel_axis.tolist(),
        )
    return int(channel_axis.item())


def _channel_axis(shape: tuple[int, ...], name: str) -> int | None:
    """The axis of the channels by the rule of `open_npz`, or None if there is none."""
    candidates = {axis for axis in (1, len(shape) - 1) if shape[axis] in (1, 3) and len(shape) > 2}
    if len(candidates) == 1:
        return candidates.pop()
    if len(shape) <= 3 and not candidates:
        return None
    raise SourceError(
        "the channel axis is ambiguous",
        where=name,
        expected="either axis 1 or the last of length 1 or 3",
        found=shape,
        hint="Add an array channel_axis to the archive, np.array(1) for (N, C, ...). Volumes with one channel have"
        " the shape (N, 1, depth, height, width)",
    )


def _labels(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[np.int64]:
    labels = arrays[name]
    if labels.dtype.kind == "f" and labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(axis=1)
    elif labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) == 0:
        raise SourceError(
            "unusable labels",
            where=name,
            expected="(N,) integers or (N, class) probabilities",
            found=f"{labels.shape} {labels.dtype}",
            hint="Number the classes: class_names, labels = numpy.unique(labels, return_inverse=True)",
        )
    if labels.min() < 0:
        hint = "Leave out the images without a class, or number the classes from 0"
        raise SourceError("a label is negative", where=name, found=int(labels.min()), hint=hint)
    whole: NDArray[np.int64] = labels.astype(np.int64)
    return whole
