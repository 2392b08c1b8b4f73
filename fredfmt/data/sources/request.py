"""What a caller of `fredfmt.data.sources.open_source` asks for, as every kind of source gets it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fredfmt.errors import ArgumentError
from fredfmt.model.selection import class_numbers


@dataclass(frozen=True)
class Request:
    """One split of one source."""

    name: str
    """The word before the colon, a key of `fredfmt.data.sources.SOURCES`."""
    argument: str
    """What follows the colon."""
    split: str
    """``train`` or ``test``."""
    data_root: Path | None
    download: bool
    size: tuple[int, int] | None
    """(height, width) to resize image files to."""
    classes: Sequence[str | int] | None = None
    """The classes that are wanted, by name or number; None: all. The others may be empty."""
    check: Callable[[tuple[int, ...]], None] | None = None
    """Called with the spatial shape as soon as it is known."""

    @property
    def root(self) -> Path:
        """Where data sets are looked for and downloaded to: the data root, or a folder in the user's cache."""
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
        """The numbers of the classes that are asked for, among all ``classes``."""
        if self.classes is None:
            return list(range(len(classes)))
        return class_numbers(self.classes, classes, aliases=aliases, where=self.name)

    def check_shape(self, spatial_shape: tuple[int, ...], *, resizable: bool = False) -> None:
        """Look at the shape of the images before any more of them are read.

        Raises `ArgumentError` if another size is asked for than these images have, unless they are ``resizable``, and
        whatever the caller of `open_source` raises.
        """
        if self.size is not None and self.size != spatial_shape and not resizable:
            raise ArgumentError(
                "only image files can be resized", where=self.name, expected=spatial_shape, found=self.size
            )
        if self.check is not None:
            self.check(spatial_shape)
