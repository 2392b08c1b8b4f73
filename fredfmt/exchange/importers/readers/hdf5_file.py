"""HDF5 files: the datasets of the root group."""

from __future__ import annotations

import io
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import FredError, SourceError, located
from fredfmt.model import limits as limits_
from fredfmt.model.limits import Limits

_SMALL = 64 << 20


def read_hdf5(content: bytes, limits: Limits) -> dict[str, NDArray[Any]]:
    """The arrays by name. Groups, links, virtual and external storage are refused.

    The HDF5 library is large and not designed for untrusted files; prefer another form if there is one.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            names = list(file)
            limits_.check(len(names), limits.entries, "the number of objects", name="entries")
            total = 0
            for name in names:
                with located(name):
                    total += _declared(file, name)
            limits_.check(total, limits.decoded_bytes, "all arrays", name="decoded_bytes")
            if total > _SMALL:
                limits_.check(total, limits.decoded_ratio * len(content), "all arrays", name="decoded_ratio")
            return {name: np.asarray(file[name][()]) for name in names}
    except FredError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise SourceError("HDF5 cannot read it", found=f"{type(error).__name__}: {error}") from None


def _declared(file: Any, name: str) -> int:
    """The declared size of a dataset in bytes. Raises `SourceError` unless it is a plain one."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise SourceError("a soft or external link", expected="plain datasets")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "biuf" or dataset.shape is None:
        raise SourceError("not a dataset of plain numbers", found=type(dataset).__name__)
    if dataset.is_virtual or dataset.id.get_create_plist().get_external_count():
        raise SourceError("virtual or external storage", expected="values stored in the file itself")
    return int(prod(dataset.shape) * dataset.dtype.itemsize)
