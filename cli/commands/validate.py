"""`fredfmt validate`: checks a file against the specification."""

from __future__ import annotations

from typing import Annotated

import typer

from fredfmt.cli import options
from fredfmt.cli.console import print_json, show
from fredfmt.errors import printable


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files or URLs.")],
    expected_digest: options.ExpectedDigest = None,
    json: options.Json = False,
) -> None:
    """Check files against every rule of the format and list the broken rules.

    Exit status 0: all files are valid (possibly with warnings); 1: a file is not valid; 3: a file is unreadable or
    exceeds a limit.
    """
    from rich.markup import escape

    from fredfmt.storage.validation import validate as check

    reports = [check(file, expected_digest=expected_digest) for file in files]
    if json:
        print_json([report.to_json() for report in reports])
    else:
        for report in reports:
            verdict = "[green]valid[/green]" if report.valid else "[red]invalid[/red]"
            show(f"{verdict}  {escape(printable(report.file))}")
            for finding in report.findings:
                colour = "red" if finding.severity == "error" else "yellow"
                text = escape(printable(finding.text.removeprefix(f"{report.file}: ")))
                show(f"  [{colour}]{finding.severity}[/{colour}] {finding.kind}: {text}")
    if not all(report.readable for report in reports):
        raise typer.Exit(3)
    if not all(report.valid for report in reports):
        raise typer.Exit(1)
