"""`validate`: is a file what the specification says? A report of every broken rule rather than the first exception."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from fredfmt.errors import FormatError, FredError, LimitError, brief, collecting
from fredfmt.model import limits as limits_
from fredfmt.model.blocks import blocks
from fredfmt.model.data import FreDData
from fredfmt.model.digest import check_spelling, digest_of_data
from fredfmt.model.limits import Limits
from fredfmt.storage.addresses import is_address, shown
from fredfmt.storage.files import load
from fredfmt.storage.partials import stale_partials
from fredfmt.storage.reading import File
from fredfmt.transforms import spatial_size

Level: TypeAlias = Literal["metadata", "structure", "integrity", "values"]
Severity: TypeAlias = Literal["error", "warning"]

_LEVELS: Mapping[Level, str] = {
    "metadata": "101 110 111 112 113 114 115 116 117 118 119 120 121 122 123",
    "structure": "201 202 203 204 205 206 207 208 209 210 211 212 213 214 303 400 401 402 403 404 410 501 502 503 505"
    " 506 602 603 604 605",
    "integrity": "405 406 407 504 601 701 702 703",
    "values": "301",
}
_WARNINGS: Mapping[Level, str] = {"metadata": "901 902 903 904", "structure": "905 906"}

RULES: Mapping[str, tuple[Level, Severity]] = MappingProxyType(
    {f"FRED-{number}": (level, "error") for level, numbers in _LEVELS.items() for number in numbers.split()}
    | {f"FRED-{number}": (level, "warning") for level, numbers in _WARNINGS.items() for number in numbers.split()}
)
"""Each rule of the specification (``spec/fred-1.0.md``) with its level, and whether breaking it is an error."""


@dataclass(frozen=True)
class Finding:
    """One rule of the specification that a file breaks, or one recommendation that it does not follow."""

    rule: str
    """``FRED-nnn``; empty if the file cannot be read."""
    severity: Severity
    level: Level | None
    kind: str
    """The name of the error: FormatError, IntegrityError, LimitError, VersionError ... or Advice."""
    where: str
    what: str
    expected: str | None
    found: str | None
    hint: str
    text: str
    """The whole finding in one line."""


@dataclass(frozen=True)
class Report:
    """What `validate` found.

    >>> from fredfmt import validate
    >>> from pathlib import Path
    >>> _ = Path("notes.fred").write_text("not a container")
    >>> report = validate("notes.fred")
    >>> report.valid, [finding.rule for finding in report.errors]
    (False, ['FRED-400'])
    """

    file: str
    findings: tuple[Finding, ...] = ()
    readable: bool = True
    """False if the file could not be read at all, or exceeds the limits."""
    digest: str | None = None
    """The content digest of a valid file."""

    @property
    def valid(self) -> bool:
        """Whether no rule is broken; warnings do not count."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make a file invalid."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values (spec/schemas/1.0/report.schema.json)."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings], "valid": self.valid}


def validate(file: File, *, expected_digest: str | None = None, limits: Limits = limits_.DEFAULT) -> Report:
    """Read a file with all checks and report every broken rule. The file's content never raises.

    A content digest other than the expected one is also an error. Raises `ArgumentError` for an ``expected_digest``
    that is not a digest.

    >>> import numpy as np, fredfmt
    >>> images = np.random.default_rng(0).random((4, 3, 8, 12), np.float32)
    >>> fredfmt.save(fredfmt.encode(images, [0, 0, 1, 1], k=20, license="CC0-1.0"), "pets.fred")
    >>> report = fredfmt.validate("pets.fred")
    >>> report.valid
    True
    >>> [finding.text for finding in report.findings]
    ['metadata: source: missing [FRED-902]. Say which real images the data come from']
    """
    check_spelling(expected_digest)
    data = None
    with collecting() as errors:
        data = load(file, expected_digest=expected_digest, limits=limits)
    findings = tuple(_finding(error) for error in errors)
    if errors or data is None:
        readable = all(isinstance(error, FormatError) and not isinstance(error, LimitError) for error in errors)
        return Report(shown(str(file)), findings, readable)
    findings = tuple(_finding(advice) for advice in (*_advice(data), *_left_behind(file)))
    return Report(shown(str(file)), findings, digest=digest_of_data(data))


class _Advice(FredError):
    """A recommendation that the writer of the file did not follow."""


def _advice(data: FreDData) -> Iterator[_Advice]:
    meta = data.metadata
    for rule, name, hint in (
        ("FRED-901", "writer", "Say which program wrote the file"),
        ("FRED-902", "source", "Say which real images the data come from"),
        ("FRED-903", "license", "Without a licence nobody may share the data"),
    ):
        if not getattr(meta, name):
            yield _Advice("missing", where=f"metadata: {name}", hint=hint, rule=rule)
    if meta.distillation and not meta.recipe:
        yield _Advice(
            "missing", where="metadata: recipe", hint="Say how to train on the distilled data", rule="FRED-904"
        )
    if not data.soft:
        counts = np.bincount(data.labels, minlength=len(meta.classes))
        if (empty := np.flatnonzero(counts == 0)).size:
            names = [meta.classes[label] for label in empty[:5]]
            yield _Advice("classes without an instance", where="labels", found=", ".join(names), rule="FRED-905")
    if meta.normalization is None and meta.whitening is None and (excess := _excess(data)) > _PLAUSIBLE:
        yield _Advice(
            "pixel values outside 0..1, although the file declares no normalisation",
            where="metadata: normalization",
            expected="a mean square not above the mean, as of values in 0..1",
            found=f"{excess:.3g} above it",
            hint="Record the mean and std with which they were normalised",
        )
    used = np.bincount(data.mask_of, minlength=len(data.frequencies))
    if data.mask_of is not data.labels and (unused := np.flatnonzero(used == 0)).size and not data.masks_are_labels:
        yield _Advice("masks that no instance uses", where="mask_of", found=unused[:5].tolist(), rule="FRED-906")


_PLAUSIBLE = 0.1
"""Values of distilled images in 0..1 exceed the range a little (below this); the excess of normalised images is near
1."""


def _excess(data: FreDData) -> float:
    """The mean square of all pixels minus their mean, computed without decoding: at most 0 for values in 0..1, as ``x *
    x <= x`` there. 0 if the transform or the masks do not give the mean."""
    size, identity = spatial_size(data.metadata.spatial_shape), data.metadata.transform == "identity"
    if not identity and (data.metadata.transform == "downsample" or data.frequencies[:, 0].any()):
        return 0.0
    squares = total = 0.0
    for rows in blocks(len(data), 8 * data.coefficients[0].size):
        values = data.image_spectra(rows)
        squares += float(np.square(values).sum())
        total += float(values.sum() if identity else values[:, :, 0].sum() * size**0.5)
    images, channels = data.coefficients.shape[:2]
    return (squares - total) / float(size * images * channels)


def _left_behind(file: File) -> Iterator[_Advice]:
    """Advice about temporary folders that interrupted writes left next to a local file or folder."""
    if isinstance(file, str | os.PathLike) and not is_address(file) and (stale := stale_partials(Path(file))):
        yield _Advice(
            "an interrupted write left temporary folders",
            where=str(stale[0].parent),
            found=", ".join(path.name for path in stale),
            hint="Remove them; the next write to this name also does",
        )


def _finding(error: FredError) -> Finding:
    level: Level | None
    severity: Severity
    level, severity = RULES[error.rule] if error.rule else (None, "warning" if isinstance(error, _Advice) else "error")
    expected, found = (None if part is None else brief(part) for part in (error.expected, error.found))
    where, what = brief(error.where), brief(error.what)
    kind = type(error).__name__.removeprefix("_")
    return Finding(error.rule, severity, level, kind, where, what, expected, found, error.hint, str(error))
