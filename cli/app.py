"""The application: every command, registered by name."""

from __future__ import annotations

from typing import Annotated

import typer

from fredfmt.cli.commands import COMMANDS
from fredfmt.cli.examples import epilog

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Make, store, share and train on distilled data sets in the frequency domain.",
)
for name, (command, panel) in COMMANDS.items():
    app.command(name, rich_help_panel=panel, epilog=epilog("export" if name == "decode" else name))(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from fredfmt.model.version import __version__

        typer.echo(f"fredfmt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
