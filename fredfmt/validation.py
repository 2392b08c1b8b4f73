"""`validate`: is a file what the format says? A report rather than an exception."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fredfmt import limits as limits_
from fredfmt.errors import FormatError, FredError, LimitError
from fredfmt.limits import Limits
from fredfmt.storage import File, load


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a file."""

    kind: str
    """The name of the error: FormatError, IntegrityError, LimitError, VersionError ..."""
    where: str
    what: str
    expected: str | None
    found: str | None
    hint: str
    text: str
    """All of it in one line."""


@dataclass(frozen=True)
class Report:
    """What `validate` found; empty findings mean that the file is valid."""

    file: str
    findings: tuple[Finding, ...] = ()
    readable: bool = True
    """False where the file could not be read at all, or asks for more than the limits allow."""

    @property
    def valid(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings], "valid": self.valid}


def validate(file: File, *, limits: Limits = limits_.DEFAULT) -> Report:
    """Read a file with every check on and report what is wrong with it. Never raises for the file's content."""
    try:
        load(file, limits=limits)
    except FredError as error:
        expected, found = (None if part is None else str(part) for part in (error.expected, error.found))
        finding = Finding(type(error).__name__, error.where, error.what, expected, found, error.hint, str(error))
        readable = isinstance(error, FormatError) and not isinstance(error, LimitError)
        return Report(str(file), (finding,), readable)
    return Report(str(file))
