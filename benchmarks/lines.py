"""Results as lines of JSON, one per measurement, so that interrupted runs resume; and their spread."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from fredfmt.distill.evaluation.results import standard_error


def read(path: Path) -> list[dict]:
    """All lines; none if the file does not exist yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(path: Path, line: dict) -> None:
    """Add a line."""
    with path.open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def spread(values: list[float], sign: str = "") -> str:
    """Mean and standard error, in percent."""
    mean = f"{100 * statistics.fmean(values):{sign}.1f}"
    return f"{mean} ± {100 * standard_error(values):.1f}" if len(values) > 1 else mean
