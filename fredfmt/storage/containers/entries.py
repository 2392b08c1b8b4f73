"""The entries of a container while it is written: in memory up to 64 MiB, in a temporary file beyond."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Self

from fredfmt.errors import access_explained
from fredfmt.storage.containers.names import place

IN_MEMORY = 64 << 20
"""The most bytes of what is written that are held in memory; more are in a temporary file."""


class EntryStore(Mapping[str, bytes]):
    """The entries of a hierarchy by name, in the order of the format: the root first, the others by name.

    Beyond 64 MiB together they are in a file without a name in the folder for temporary files (``TMPDIR``). It is
    deleted when the block ends, or when the process does. Raises `AccessError` if there is no space.

    >>> with EntryStore() as entries:
    ...     entries.add("labels/c/0", b"12")
    ...     entries.add("zarr.json", b"{}")
    ...     list(entries.items())
    [('zarr.json', b'{}'), ('labels/c/0', b'12')]
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, prefix="fredfmt-")  # noqa: SIM115 (as long as the entries)
        self._spans: dict[str, tuple[int, int]] = {}

    def add(self, name: str, content: bytes) -> None:
        """Keep the content of one more entry."""
        with access_explained("the temporary file cannot be written", tempfile.gettempdir()):
            self._spans[name] = self._file.seek(0, os.SEEK_END), len(content)
            self._file.write(content)

    def __getitem__(self, name: str) -> bytes:
        start, size = self._spans[name]
        with access_explained("the temporary file cannot be read", tempfile.gettempdir()):
            self._file.seek(start)
            return self._file.read(size)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._spans, key=place))

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def size(self) -> int:
        """Bytes of all of them together."""
        return sum(size for _, size in self._spans.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
