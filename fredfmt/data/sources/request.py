"""What a caller of `fredfmt.data.sources.open_source` asks for, as every kind of source is handed it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fredfmt.errors import ArgumentError


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

    def check_size(self, spatial_shape: tuple[int, ...]) -> None:
        """Raise `ArgumentError` if another size is asked for than these images, which are not resized, have."""
        if self.size is not None and self.size != spatial_shape:
            raise ArgumentError(
                "only image files can be resized", where=self.name, expected=spatial_shape, found=self.size
            )
