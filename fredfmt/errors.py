"""Everything that can be wrong, as one tree of errors under `FredError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class FredError(ValueError):
    """Something about a file, a source or an argument is wrong; nothing was changed.

    Parameters
    ----------
    what
        What is wrong, in one clause.
    where
        The file and the element inside it, outermost first, for example ``"x.fred: labels"``.
    expected, found
        What the rule asks for and what was there instead.
    hint
        What to do about it.
    """

    def __init__(
        self, what: str, *, where: str = "", expected: object = None, found: object = None, hint: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.found is not None:
            text += f"{',' if self.expected is not None else ';'} found {self.found}"
        return f"{text}. {self.hint}" if self.hint else text


class ArgumentError(FredError):
    """A caller's argument is unusable."""


class FredIndexError(FredError, IndexError):
    """An instance index is outside the data set."""


class FredFileNotFoundError(FredError, FileNotFoundError):
    """There is no file at that path."""


class FormatError(FredError):
    """A file does not follow the format."""


class VersionError(FormatError):
    """A file follows a version of the format that this reader does not know."""


class LimitError(FormatError):
    """A file asks for more than the reader's `Limits` allow; nothing was allocated for it."""


class IntegrityError(FormatError):
    """A file's content does not match its checksums: it is damaged or was edited."""


class SourceError(FredError):
    """A source of real images cannot be had or cannot be used."""


@contextmanager
def located(where: object) -> Iterator[None]:
    """Prefix ``where`` to the place of any `FredError` raised inside the block."""
    try:
        yield
    except FredError as error:
        error.where = f"{where}: {error.where}" if error.where else str(where)
        raise
