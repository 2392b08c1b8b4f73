"""The request that `fredfmt.data.sources.open_source` passes to a source."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fredfmt.errors import ArgumentError
from fredfmt.model.selection import class_numbers


@dataclass(frozen=True)
class Request:
    """A request for one split of one source."""

    name: str
    """The word before the colon, a key of `fredfmt.data.sources.SOURCES`."""
    argument: str
    """The text after the colon."""
    split: str
    """``train`` or ``test``."""
    data_root: Path | None
    download: bool
    size: tuple[int, int] | None
    """(height, width) to which image files are resized."""
    classes: Sequence[str | int] | None = None
    """The requested classes, by name or number; None: all. Other classes may have no images."""
    check: Callable[[tuple[int, ...]], object] | None = None
    """Called with the spatial shape as soon as it is known."""

    @property
    def root(self) -> Path:
        """The folder in which datasets are searched and to which they are downloaded: the data root, or one in the
        user's cache."""
        if self.data_root is not None:
            return self.data_root
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "fredfmt"

    @property
    def path(self) -> Path:
        """The argument as a path. Raises `ArgumentError` if there is none."""
        if not self.argument:
            raise ArgumentError("a path is missing", where=self.name, expected=f"{self.name}:PATH")
        return Path(self.argument).expanduser()

    def wanted(self, classes: tuple[str, ...], aliases: tuple[str, ...] = ()) -> list[int]:
        """The numbers of the requested classes among all ``classes``."""
        if self.classes is None:
            return list(range(len(classes)))
        return class_numbers(self.classes, classes, aliases=aliases, where=self.name)

    def check_shape(self, spatial_shape: tuple[int, ...], *, resizable: bool = False) -> None:
        """Check the spatial shape before more images are read. Raises `ArgumentError` if another size was requested and
        the images are not ``resizable``, and what the caller's ``check`` raises.
        """
        if self.size is not None and self.size != spatial_shape and not resizable:
            raise ArgumentError(
                "only image files can be resized", where=self.name, expected=spatial_shape, found=self.size
            )
        if self.check is not None:
            self.check(spatial_shape)
