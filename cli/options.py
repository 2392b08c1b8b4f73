"""Arguments and options that several commands share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import typer

from fredfmt.errors import ArgumentError, brief, located, quoted

if TYPE_CHECKING:
    from fredfmt.distill.networks import NetworkFactory


Command = TypeVar("Command", bound=Callable[..., None])


def completing(module: str, mapping: str) -> Callable[[str], list[str]]:
    """A completion function for the names in ``mapping``, whose module is imported only for a completion."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in getattr(import_module(module), mapping) if name.startswith(incomplete)]

    return complete


def starting_with(names: Iterable[str]) -> Callable[[str], list[str]]:
    """A completion function for these names."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


complete_source = completing("fredfmt.data.sources", "SOURCES")
File = Annotated[str, typer.Argument(metavar="FILE", help="A .fred, .fred.zarr or .fred.h5 file, or a URL of one.")]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Real images: digits, cifar10, ..., folder:PATH, npz:PATH, parquet:PATH, webdataset:PATH, hf:NAME.",
        autocompletion=complete_source,
    ),
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; its suffix names the container.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ExpectedDigest = Annotated[
    str | None, typer.Option(metavar="sha256:...", help="Refuse data with another content digest.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
Codec = Annotated[
    Literal["compact", "core"] | None,
    typer.Option(
        help="compact: the fewest bytes; core: any Zarr reader opens the file. By default .fred is compact, except for"
        " arrays of over four million values, and .fred.zarr is core.",
    ),
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder of downloaded datasets, also for new downloads.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random draw.")]


def _usable(device: str) -> str:
    """The device. Raises `ArgumentError` if it is unavailable."""
    if device != "cpu":  # the CPU needs no check, and so no import of torch
        from fredfmt.codec.devices import usable_device

        with located("--device"):
            usable_device(device)
    return device


Device = Annotated[str, typer.Option(callback=_usable, help="Device to compute on: cpu, cuda, cuda:1, mps ...")]


class Sides(NamedTuple):
    """The value of ``--size``."""

    height: int
    width: int


def parse_size(text: str) -> Sides:
    """Height and width from ``HxW`` or ``H,W``, or from one number for both.

    >>> parse_size("48x64"), parse_size("32")
    (Sides(height=48, width=64), Sides(height=32, width=32))
    """
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"{brief(quoted(text))} is not a number, nor HEIGHTxWIDTH such as 48x64")
    sides = Sides(int(parts[0]), int(parts[-1]))
    if min(sides) < 1:
        raise typer.BadParameter(f"{brief(quoted(text))}: an image has at least one row and one column")
    return sides


Size = Annotated[
    Sides | None,
    typer.Option(parser=parse_size, metavar="N|HxW", help="Resize images of a folder to this height and width."),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Only these classes, by name or number, in this order; a name with a comma needs double quotes.",
    ),
]
BitsPerClass = Annotated[
    float | None,
    typer.Option(
        min=1,
        help="Like --bytes, in bits per class: the bits of the whole file divided by the number of classes.",
        rich_help_panel="Budget",
    ),
]


def check_one_budget(settings: Mapping[str, Any], bits_per_class: float | None) -> None:
    """Raise `ArgumentError` if both ``--bytes`` and ``--bits-per-class`` were given."""
    if bits_per_class is not None and "max_bytes" in settings:
        raise ArgumentError("two budgets", expected="--bytes or --bits-per-class", found="both")


def parse_list(text: str) -> tuple[str, ...]:
    """The names in a list with commas.

    >>> parse_list("fog, jpeg")
    ('fog', 'jpeg')
    """
    return tuple(name.strip() for name in text.split(","))


def parse_network(name: str) -> NetworkFactory | None:
    """The factory that ``--network package.module:factory`` names; None for a network of fredfmt."""
    if ":" not in name:
        return None
    from fredfmt.distill.networks import load_factory

    return load_factory(name)


def parse_classes(text: str | None) -> list[str] | None:
    """The classes in ``--classes``; None for all. A name with a comma is in double quotes, and double quotes in it are
    doubled.

    >>> parse_classes('cat, "bee, wild",7')
    ['cat', 'bee, wild', '7']
    """
    return None if text is None else [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def options_of(other: Callable[..., None]) -> Callable[[Command], Command]:
    """A decorator: the command has the arguments and options of another command, passed as keyword arguments."""

    def decorate(command: Command) -> Command:
        same = signature(other, eval_str=True)
        command.__signature__ = same  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in same.parameters.values()} | {"return": None}
        return command

    return decorate


def given_options(context: typer.Context) -> dict[str, Any]:
    """The options that were given on the command line, by the names of their parameters."""
    return {
        name: value
        for name, value in context.params.items()
        if (origin := context.get_parameter_source(name)) is not None and origin.name == "COMMANDLINE"
    }
