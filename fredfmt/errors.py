"""All errors, as one tree under `FredError`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HINTS = {
    errno.ENOSPC: "Free some disk space",
    errno.EDQUOT: "Your disk quota is used up: delete some files",
    errno.EACCES: "Check the permissions",
    errno.EPERM: "Check the permissions",
    errno.EROFS: "Choose a writable location",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ENOENT: "Check the path",
    errno.ENOTDIR: "Part of the path is a file, not a folder",
    errno.EISDIR: "There is a folder of that name: choose another name",
    errno.ELOOP: "A symbolic link points to itself",
}
"""Hints for errors of the operating system, by errno."""

_LONGEST = 1000
"""The largest number of characters of one part of a message."""

_PLACE: ContextVar[tuple[str, ...]] = ContextVar("place", default=())
_COLLECTED: ContextVar[list[FredError] | None] = ContextVar("collected", default=None)


class FredError(ValueError):
    """Something about a file, a source or an argument is wrong; nothing was changed.

    Parameters
    ----------
    what
        What is wrong, in one clause.
    where
        The element that is wrong. The places of all enclosing `located` blocks are put before it, outermost first, for
        example ``"x.fred: labels"``.
    expected, found
        What is required, and what was found instead.
    hint
        How to correct it.
    rule
        The rule of the specification that is broken, ``"FRED-nnn"``.

    >>> with located("x.fred"):
    ...     print(FormatError("wrong number of axes", where="labels", expected=1, found=3, rule="FRED-202"))
    x.fred: labels: wrong number of axes; expected 1, found 3 [FRED-202]
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
        """The message in one line of moderate length, even if parts of it come from a file or an address."""
        text = f"{brief(self.where)}: {brief(self.what)}" if self.where else brief(self.what)
        if self.expected is not None:
            text += f"; expected {brief(self.expected)}"
        if self.found is not None:
            text += f"{',' if self.expected is not None else ';'} found {brief(self.found)}"
        if self.rule:
            text += f" [{self.rule}]"
        return one_line(f"{text}. {self.hint}" if self.hint else text)


def brief(part: object) -> str:
    """Part of a message as text, cut off if it is long.

    >>> brief(3), brief("x" * 1_000_000)[-27:]
    ('3', 'xxx... 1,000,000 characters')
    """
    text = _written(part, str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... {len(text):,} characters"


def quoted(value: object) -> str:
    """The ``repr`` of a caller's value; never raises.

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
    r"""Text from an untrusted file, with characters that control a terminal or change the reading direction escaped.

    Line ends and the zero-width joiner of emoji are kept.

    >>> printable("caf\u00e9 \x1b[2J \u202e")
    'café \\x1b[2J \\u202e'
    """
    return "".join(
        letter if letter.isprintable() or letter in "\n\u200d" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def one_line(text: str) -> str:
    """As `printable`, with line ends escaped, too."""
    return printable(text).replace("\n", "\\n")


class ArgumentError(FredError):
    """An argument is unusable."""


class BudgetError(ArgumentError):
    """A number of bytes is too small for what has to fit into it. ``least`` is the number that would do, if known.

    >>> print(BudgetError("the file is larger", least=1270, found="100 bytes"))
    the file is larger; expected at least 1,270 bytes, found 100 bytes
    """

    def __init__(self, what: str, *, least: int | None = None, found: object = None, hint: str = "") -> None:
        expected = None if least is None else f"at least {least:,} bytes"
        super().__init__(what, expected=expected, found=found, hint=hint)
        self.least = least


class FredTypeError(ArgumentError, TypeError):
    """An argument has the wrong type, for example a float as an index."""


class FredIndexError(FredError, IndexError):
    """An instance index is outside the dataset."""


class FredFileNotFoundError(FredError, FileNotFoundError):
    """There is no file at that path."""


class AccessError(FredError, OSError):
    """The operating system refused to read or write a file; ``errno`` is its error number."""


class FredMemoryError(FredError, MemoryError):
    """There is not enough memory."""


class FormatError(FredError):
    """A file does not follow the format."""


class VersionError(FormatError):
    """A file follows a version of the format that this reader does not know."""


class LimitError(FormatError):
    """A file exceeds the reader's `Limits`; no memory was allocated for it."""


class IntegrityError(FormatError):
    """A file's content does not match its checksums: it is damaged or was edited."""


class SourceError(FredError):
    """A source of real images is unavailable or cannot be used."""


class AbandonedError(FredError):
    """Further checks are impossible because of an error that was already collected; raised only inside `collecting`."""


@contextmanager
def located(where: object) -> Iterator[None]:
    """Add a place to the message of every `FredError` that is created inside the block."""
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
    """Turn a `MemoryError` of the block, or torch's ``RuntimeError`` in its place, into a `FredMemoryError`."""
    try:
        yield
    except FredError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):
            raise
        found, hint = str(error) or None, "Close other programs, or raise the memory limit of this process (ulimit -v)"
        raise FredMemoryError("not enough memory", found=found, hint=hint) from None


@contextmanager
def check() -> Iterator[None]:
    """A check on which no later check depends: its error is raised, or, inside `collecting`, collected."""
    try:
        yield
    except FredError as error:
        collected = _COLLECTED.get()
        if collected is None:
            raise
        if not isinstance(error, AbandonedError):
            collected.append(error.with_traceback(None))  # a traceback would keep all data in memory


@contextmanager
def collecting() -> Iterator[list[FredError]]:
    """Collect the errors of all `check` blocks inside the block in a list, instead of raising them."""
    errors: list[FredError] = []
    token = _COLLECTED.set(errors)
    try:
        with check():
            yield errors
    finally:
        _COLLECTED.reset(token)


@contextmanager
def together() -> Iterator[None]:
    """A group of checks that must all pass before anything after the block can be checked."""
    before = len(_COLLECTED.get() or ())
    yield
    if len(_COLLECTED.get() or ()) > before:
        raise AbandonedError("not checked")
