"""`LabelValues`: collects labels of Arrow tables batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fredfmt.errors import SourceError

if TYPE_CHECKING:
    from pyarrow import Array


class LabelValues:
    """Labels that are integers, or texts that are numbered in the order of their first appearance."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._words: dict[str, int] = {}
        self._text = False
        self.count = 0

    def add(self, labels: Array, row: int) -> None:
        """Add the next labels, of which the first is in ``row`` of its file. Raises `SourceError` for a label that is
        null or beyond 64 bits, and if some are text and some integers.
        """
        import pyarrow

        if labels.null_count:
            missing = int(np.flatnonzero(labels.is_null().to_numpy(zero_copy_only=False))[0])
            raise SourceError("the label is null", where=f"row {row + missing}")
        try:
            if pyarrow.types.is_integer(labels.type):
                self._append(labels.cast(pyarrow.int64()).to_numpy(), text=False)
                return
            coded = labels if pyarrow.types.is_dictionary(labels.type) else labels.dictionary_encode()
            known = coded.dictionary.to_pylist()
            text = all(isinstance(label, str) for label in known)
            numbers = np.array(
                [self._words.setdefault(one, len(self._words)) if text else one for one in known], np.int64
            )
            self._append(numbers[coded.indices.to_numpy()], text=text)
        except (pyarrow.ArrowInvalid, UnicodeDecodeError, OverflowError, TypeError) as error:
            where = f"rows {row} to {row + len(labels) - 1}"
            raise SourceError("unusable labels", where=where, expected="integers or text", found=str(error)) from None

    def _append(self, part: NDArray[np.int64], *, text: bool) -> None:
        if self.count and text != self._text:
            raise SourceError("labels are text in some shards and integers in others", expected="one kind")
        self._text = text
        self._parts.append(part)
        self.count += len(part)

    @property
    def values(self) -> NDArray[np.int64]:
        """(N,) integers, or positions in `words`."""
        return np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)

    @property
    def words(self) -> tuple[str, ...] | None:
        """The different texts; None if labels are integers."""
        return tuple(self._words) if self._text else None
