"""All errors, as one tree under `FredError`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HINTS = {
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Your quota is used up: make room",
    errno.EACCES: "Check who may read and write there",
    errno.EPERM: "Check who may read and write there",
    errno.EROFS: "Choose a place that can be written to",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ENOENT: "Check the path",
    errno.ENOTDIR: "Part of the path is a file, not a folder",
    errno.EISDIR: "A folder is in the way: choose another name",
    errno.ELOOP: "A symbolic link leads back to itself",
}
"""What to do about what the operating system refused, by its number for it."""

_LONGEST = 1000
"""Characters of one part of a message."""

_PLACE: ContextVar[tuple[str, ...]] = ContextVar("place", default=())
_COLLECTED: ContextVar[list[FredError] | None] = ContextVar("collected", default=None)


class FredError(ValueError):
    """Something about a file, a source or an argument is wrong; nothing was changed.

    Parameters
    ----------
    what
        What is wrong, in one clause.
    where
        The element that is wrong. The places that `located` names around it come before, outermost first, for example
        ``"x.fred: labels"``.
    expected, found
        What the rule asks for and what was there instead.
    hint
        What to do about it.
    rule
        The rule of the specification that is broken, ``"FRED-nnn"``.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: object = None,
        found: object = None,
        hint: str = "",
        rule: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = ": ".join((*_PLACE.get(), where) if where else _PLACE.get())
        self.expected = expected
        self.found = found
        self.hint = hint
        self.rule = rule

    def __str__(self) -> str:
        """One line of moderate length, whatever a file or an address put into it."""
        text = f"{brief(self.where)}: {brief(self.what)}" if self.where else brief(self.what)
        if self.expected is not None:
            text += f"; expected {brief(self.expected)}"
        if self.found is not None:
            text += f"{',' if self.expected is not None else ';'} found {brief(self.found)}"
        if self.rule:
            text += f" [{self.rule}]"
        return one_line(f"{text}. {self.hint}" if self.hint else text)


def brief(part: object) -> str:
    """Part of a message as text; of a long one only the beginning.

    >>> brief(3), brief("x" * 1_000_000)[-27:]
    ('3', 'xxx... 1,000,000 characters')
    """
    text = _written(part, str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... {len(text):,} characters"


def quoted(value: object) -> str:
    """A caller's value as Python writes it, whatever it is.

    >>> quoted("cat"), quoted(10**5000)
    ("'cat'", 'an integer of thousands of digits')
    """
    return _written(value, repr)


def _written(value: object, write: Callable[[object], str]) -> str:
    try:
        return write(value)
    except ValueError:  # an integer that Python refuses to write, or a container that holds one
        return "an integer of thousands of digits"
    except Exception:
        return f"a {type(value).__name__} that cannot be written"


def printable(text: str) -> str:
    r"""A text from an untrusted file: letters that control a terminal or change the reading direction become escapes.

    Line ends stay, and so does the zero-width joiner of emoji.

    >>> printable("caf\u00e9 \x1b[2J \u202e")
    'café \\x1b[2J \\u202e'
    """
    return "".join(
        letter if letter.isprintable() or letter in "\n\u200d" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def one_line(text: str) -> str:
    """`printable`, line ends escaped, too."""
    return printable(text).replace("\n", "\\n")


class ArgumentError(FredError):
    """A caller's argument is unusable."""


class FredTypeError(ArgumentError, TypeError):
    """A caller's argument is of a type that is not accepted there, such as a fraction as an index."""


class FredIndexError(FredError, IndexError):
    """An instance index is outside the data set."""


class FredFileNotFoundError(FredError, FileNotFoundError):
    """There is no file at that path."""


class AccessError(FredError, OSError):
    """The operating system refused to read or to write a file; ``errno`` is its number for why."""


class FredMemoryError(FredError, MemoryError):
    """There is not enough memory."""


class FormatError(FredError):
    """A file does not follow the format."""


class VersionError(FormatError):
    """A file follows a version of the format that this reader does not know."""


class LimitError(FormatError):
    """A file asks for more than the reader's `Limits` allow; nothing was allocated for it."""


class IntegrityError(FormatError):
    """A file's content does not match its checksums: it is damaged or was edited."""


class SourceError(FredError):
    """A source of real images is unavailable or cannot be used."""


class AbandonedError(FredError):
    """What follows cannot be checked, for a reason that was collected already; only ever raised inside `collecting`."""


@contextmanager
def located(where: object) -> Iterator[None]:
    """Name the place that any `FredError` made inside the block speaks of."""
    token = _PLACE.set((*_PLACE.get(), str(where)))
    try:
        yield
    finally:
        _PLACE.reset(token)


@contextmanager
def access_explained(what: str, where: object = "") -> Iterator[None]:
    """Turn an `OSError` of the block into an `AccessError` that says ``what``, where, why and what to do."""
    try:
        yield
    except FredError:
        raise
    except OSError as error:
        found = error.strerror or str(error) or type(error).__name__
        refused = AccessError(what, where=str(where), found=found, hint=_HINTS.get(error.errno or 0, ""))
        refused.errno = error.errno
        raise refused from error


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turn a `MemoryError` of the block into a `FredMemoryError`."""
    try:
        yield
    except FredError:
        raise
    except MemoryError as error:
        found, hint = str(error) or None, "Close other programs, or lift the limit of this process (ulimit -v)"
        raise FredMemoryError("not enough memory", found=found, hint=hint) from None


@contextmanager
def check() -> Iterator[None]:
    """One check that others do not depend on: its error is raised as usual, or kept inside `collecting`."""
    try:
        yield
    except FredError as error:
        collected = _COLLECTED.get()
        if collected is None:
            raise
        if not isinstance(error, AbandonedError):
            collected.append(error.with_traceback(None))  # which would keep all that was read


@contextmanager
def collecting() -> Iterator[list[FredError]]:
    """Gather the errors of every `check` inside the block, in a list, and go on."""
    errors: list[FredError] = []
    token = _COLLECTED.set(errors)
    try:
        with check():
            yield errors
    finally:
        _COLLECTED.reset(token)


@contextmanager
def together() -> Iterator[None]:
    """Checks of which all must hold before anything after the block makes sense."""
    before = len(_COLLECTED.get() or ())
    yield
    if len(_COLLECTED.get() or ()) > before:
        raise AbandonedError("not checked")
