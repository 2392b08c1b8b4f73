"""Creates options of commands from the fields of settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from fredfmt.cli import options
from fredfmt.cli.options import Command
from fredfmt.distill.settings import Option, Settings

Panels = Mapping[str, Mapping[str, Option]]
"""Settings by name, for each panel of the help page."""


def panels_of(**kinds: type[Settings]) -> dict[str, dict[str, Option]]:
    """A panel for the settings of each class, and one for those of the network."""
    panels: dict[str, dict[str, Option]] = {}
    for title, kind in kinds.items():
        known = kind.options()
        panels[title] = {name: option for name, option in known.items() if option.group is None}
        if "network" in known:
            panels["Network"] = network_options()
    return panels


def network_options() -> dict[str, Option]:
    """The settings of a network by the names of their options; ``--network`` is its ``name``."""
    from fredfmt.distill.networks import NetworkConfig  # torch

    known = {"network" if name == "name" else name: option for name, option in NetworkConfig.options().items()}
    depth = known["depth"]
    fitting = f"{depth.help} Default: {depth.default}; for a convnet, it depends on the size of the images."
    return known | {"depth": replace(depth, default=None, help=fitting)}


def asking(panels: Panels) -> Callable[[Command], Command]:
    """A decorator: the command has an option for each setting, passed as a keyword argument."""

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        made = [
            _parameter(name, option, panel)
            for panel, settings in panels.items()
            for name, option in settings.items()
            if option.flag is not None and name not in signature.parameters
        ]
        parameters = [*(one.replace(kind=one.KEYWORD_ONLY) for one in own), *made]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
        return command

    return decorate


def given_settings(context: typer.Context, panels: Panels) -> dict[str, Any]:
    """The settings that were given on the command line, by name."""
    known = {name: option for settings in panels.values() for name, option in settings.items()}
    return {
        name: known[name].read(value) if isinstance(value, str) else value
        for name, value in options.given_options(context).items()
        if name in known
    }


def _parameter(name: str, option: Option, panel: str) -> inspect.Parameter:
    assert option.flag is not None
    flags = (option.flag, f"--no-{option.flag.removeprefix('--')}") if option.kind is bool else (option.flag,)
    limits = [f"above {option.above:g}"] if option.above is not None else []
    limits += [f"below {option.below:g}"] if option.below is not None else []
    declared = typer.Option(
        "/".join(flags),
        help=option.help + (f" ({', '.join(limits)})" if limits else ""),
        min=option.least if option.kind in (int, float) else None,
        metavar=option.metavar,
        rich_help_panel=panel,
        autocompletion=options.starting_with(option.examples) if option.examples else None,
    )
    shown = option.default
    if option.kind is tuple:
        shown = ",".join(map(str, option.default))
    elif _type(option) is str and shown is not None:
        shown = str(shown)
    annotation: Any = Annotated[_type(option) | None if option.default is None else _type(option), declared]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=annotation)


def _type(option: Option) -> Any:
    """The type of the option: text if words are allowed besides numbers, which `Option.read` distinguishes."""
    if option.words and option.kind is str:
        return Literal[option.words]
    return str if option.words or option.kind is tuple else option.kind
