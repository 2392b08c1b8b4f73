"""The application: every command by name. Its module is imported only to run it or to show its help."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from fredfmt.cli.commands import COMMANDS
from fredfmt.cli.examples import epilog


class Flags:
    """A command whose help lists flags without a value."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters, as the help page lists them."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return parameters


class OneCommand(Flags, TyperCommand):
    """A command with all its options."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Its arguments as the line of usage shows them: optional ones in brackets."""
        arguments = [one for one in self.params if one.param_type_name == "argument"]
        shown = (str(one.metavar) if one.required else f"[{one.metavar}]" for one in arguments)
        return ["[OPTIONS]", *shown]


class AllCommands(Flags, TyperGroup):
    """The commands of `COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command for the list of commands, with its name and a line of help."""
        listed = COMMANDS.get(cmd_name)
        return listed and as_text(TyperCommand(cmd_name, help=listed.help, rich_help_panel=listed.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command to run."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import the module of a command and return the command with all its options."""
    made = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)
    command = COMMANDS[name].load()
    paragraphs = [" ".join(part.split()) for part in (command.__doc__ or "").split("\n\n")]  # typer keeps line ends
    made.command(name, cls=OneCommand, help="\n\n".join(paragraphs), epilog=epilog(name))(command)
    return as_text(typer.main.get_command(made))


def as_text(command: Any) -> Any:
    """The command, with help texts that rich shows as they are, brackets included, although it reads them as markup."""
    from rich.markup import escape

    for one in (command, *command.params):
        if one_help := getattr(one, "help", None):
            one.help = escape(one_help)
    return command


app = typer.Typer(
    cls=AllCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Make, store, share and train on distilled datasets in the frequency domain.",
)


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
