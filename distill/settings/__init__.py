"""Settings: each field declares its default, bounds and help once; checks, files and command-line options use that."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from fredfmt.errors import ArgumentError, located, quoted
from fredfmt.model.arguments import is_number
from fredfmt.model.documents import LARGEST_INTEGER


def setting(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    none: str | None = None,
    flag: str | None = "",
    metavar: str | None = None,
    examples: tuple[str, ...] = (),
    check: Callable[[Any], object] | None = None,
) -> Any:
    """A field of a `Settings` class.

    Parameters
    ----------
    help
        A description for the help page of the command.
    least, above, below
        Bounds of a number: ``least`` is inclusive, ``above`` and ``below`` are exclusive.
    choices
        All allowed strings. For a ``Literal`` type they are taken from the type.
    none
        The word for None in TOML files and on the command line, such as ``float32``. Without one, None is omitted.
    flag
        The option of the command, ``--like-the-name`` if omitted; None for a setting that the command does not offer.
    metavar
        The placeholder of the value on the help page.
    examples
        Names for shell completion, if other values are also possible.
    check
        A function that is called with each valid value, and raises `ArgumentError` to refuse it.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Ridge(Settings):
    ...     where = "ridge"
    ...     weight: float = setting(0.1, "Weight of the penalty.", above=0)
    >>> Ridge().weight
    0.1
    >>> Ridge(weight=-1)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: ridge.weight: unusable setting; expected a number above 0, found -1
    """
    described = {"help": help, "least": least, "above": above, "below": below, "words": choices, "none": none}
    offered = {"flag": flag, "metavar": metavar, "examples": examples, "check": check}
    return field(default=default, metadata={"setting": {**described, **offered}})


def group(kind: type[Settings]) -> Any:
    """A field that contains settings of another class, by default ``kind()``."""
    return field(default_factory=kind, metadata={"setting": {}})


@dataclass(frozen=True)
class Option:
    """A setting as its field describes it."""

    name: str
    kind: type
    """``bool``, ``int``, ``float``, ``str``, ``tuple`` or a class of `Settings`."""
    optional: bool = False
    """Whether it may be None."""
    items: type = str
    """The kind of the items of a tuple, which are separated by commas on the command line."""
    words: tuple[str, ...] = ()
    """The allowed strings: all values, or those besides numbers."""
    default: Any = None
    help: str = ""
    least: float | None = None
    above: float | None = None
    below: float | None = None
    none: str | None = None
    flag: str | None = None
    metavar: str | None = None
    examples: tuple[str, ...] = ()
    check: Callable[[Any], object] | None = None

    @property
    def group(self) -> type[Settings] | None:
        """The class of the settings that it contains, if it is a group."""
        return self.kind if issubclass(self.kind, Settings) else None

    @property
    def expected(self) -> str:
        """The values that it accepts, in words."""
        bounds = [f"above {self.above:g}"] if self.above is not None else []
        bounds += [f"at least {self.least:g}"] if self.least is not None else []
        bounds += [f"below {self.below:g}"] if self.below is not None else []
        limits = " and ".join(bounds)
        kinds = {
            bool: ["true or false"],
            int: ["an integer" + (f" of {limits}" if limits else "")],
            float: ["a number" + (f" {limits}" if limits else "")],
            str: [] if self.words else ["text"],
            tuple: ["a list of integers" if self.items is int else "a list"],
        }
        alternatives = [*kinds.get(self.kind, []), *self.words]
        if self.optional:
            alternatives.append(self.none or "none")
        return " or ".join(alternatives) if len(alternatives) < 4 else f"one of {', '.join(alternatives)}"

    def fits(self, value: Any) -> bool:
        """Whether it accepts ``value``."""
        if value is None:
            return self.optional
        if isinstance(value, str) and self.words:
            return value in self.words
        if self.kind not in (int, float):
            return isinstance(value, self.kind)
        return (
            isinstance(value, int | self.kind)
            and is_number(value)
            and not _is_large(value)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def read(self, text: str) -> Any:
        """The value of a string from the command line. Raises `ArgumentError` if it is not a valid value."""
        if self.optional and text == self.none:
            return None
        if text in self.words or self.kind is str:
            return text
        try:
            if self.kind is tuple:
                return tuple(self.items(part.strip()) for part in text.split(","))
            return {"true": True, "false": False}[text] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise ArgumentError(
                f"unusable {self.flag or self.name}", expected=self.expected, found=quoted(text)
            ) from None


@dataclass(frozen=True)
class Settings:
    """The base of frozen dataclasses of settings: always checked, written to and read from JSON and TOML.

    Every field is a `setting`, or a `group` of settings of another class.
    """

    where: ClassVar[str] = "settings"
    """Its name in messages."""

    def __post_init__(self) -> None:
        for name, option in self.options().items():
            value = getattr(self, name)
            if option.group is not None:
                object.__setattr__(self, name, option.group.of(value))
            elif option.optional and (value is None or (isinstance(value, str) and value == option.none)):
                object.__setattr__(self, name, None)
            elif not option.fits(value):
                raise self._unusable(name, f"{option.expected}, below 2**53" if _is_large(value) else option.expected)
            elif option.check is not None:
                with located(f"{self.where}.{name}"):
                    option.check(value)

    @classmethod
    def options(cls) -> Mapping[str, Option]:
        """The description of each field, by name."""
        return _options(cls)  # type: ignore[arg-type]  # classes are hashable

    @classmethod
    def of(cls, given: Any) -> Self:
        """``given`` if it is such settings, or settings made from a mapping or, if they have a name, from the name.

        Raises `ArgumentError` for anything else, unknown fields and unusable values.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str) and "name" in cls.options():
            return cls.of({"name": given})
        if not isinstance(given, Mapping):
            raise ArgumentError("not settings", where=cls.where, expected=cls.__name__, found=quoted(given))
        if unknown := sorted(set(given) - set(cls.options())):
            raise ArgumentError("unknown settings", where=cls.where, expected=sorted(cls.options()), found=unknown)
        return cls(**given)

    def replace(self, **changes: Any) -> Self:
        """The same with other values, by the names of the fields or of those of its groups.

        A name alone, as in ``network="vit"``, changes the name and keeps the rest of the group. Raises `ArgumentError`
        for unknown names and unusable values.
        """
        before = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return self.of({**before, **regrouped(self.options(), before, changes)})

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values; `from_json` restores equal settings."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value.to_json() if isinstance(value, Settings) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read the values of `to_json`; missing fields have their defaults.

        Raises `ArgumentError` for unknown fields and unusable values.
        """
        return cls.of(values)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a TOML file: names and values, those of a group in a table such as ``[network]``.

        Missing fields have their defaults. Raises `ArgumentError` for a file that is not TOML, unknown fields and
        unusable values.
        """
        with located(path):
            try:
                values = tomllib.loads(Path(path).read_text())
            except (OSError, ValueError) as error:
                raise ArgumentError("cannot be read as TOML", found=error) from None
            return cls.of(values)

    def to_toml(self) -> str:
        """The text of a TOML file with every setting; `from_toml` restores equal settings."""
        values = self.spelled()
        tables = {name: values.pop(name) for name in list(values) if isinstance(values[name], dict)}
        lines = _lines(values)
        for name, table in tables.items():
            lines += ["", f"[{name}]", *_lines(table)]
        return "\n".join(lines).lstrip() + "\n"

    def spelled(self) -> dict[str, Any]:
        """Every setting as TOML writes it: None by its word or omitted, groups as tables."""
        words = {name: option.none for name, option in self.options().items()}
        values = {name: words[name] if (value := getattr(self, name)) is None else value for name in words}
        return {
            name: value.spelled() if isinstance(value, Settings) else value
            for name, value in values.items()
            if value is not None
        }

    def _unusable(self, name: str, expected: object) -> ArgumentError:
        return ArgumentError(
            "unusable setting", where=f"{self.where}.{name}", expected=expected, found=quoted(getattr(self, name))
        )


def regrouped(options: Mapping[str, Option], before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes`` with the settings of groups moved into these groups, whose other settings are as ``before``."""
    left = dict(changes)
    for name, option in options.items():
        if option.group is None:
            continue
        inner = {key: left.pop(key) for key in option.group.options() if key != "name" and key in left}
        given = left.pop(name, before[name])
        if isinstance(given, str):
            given, inner = before[name], {"name": given, **inner}
        left[name] = option.group.of(given).replace(**inner) if inner else given
    return left


def _is_large(value: Any) -> bool:
    """Whether a value is an integer that is too large for JSON, and therefore for a file."""
    return isinstance(value, int) and abs(value) > LARGEST_INTEGER


def _lines(values: Mapping[str, Any]) -> list[str]:
    """The lines of a TOML table; numbers, strings, booleans and lists are written as in JSON."""
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]


@cache
def _options(cls: type[Settings]) -> Mapping[str, Option]:
    hints = get_type_hints(cls)
    return MappingProxyType(
        {
            entry.name: _option(entry.name, hints[entry.name], entry.default, dict(entry.metadata["setting"]))
            for entry in fields(cls)
            if "setting" in entry.metadata
        }
    )


def _option(name: str, hint: Any, default: Any, described: dict[str, Any]) -> Option:
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = tuple(word for part in alternatives if get_origin(part) is Literal for word in get_args(part))
    kinds = [get_origin(part) or part for part in alternatives if part is not NoneType]
    kinds = [kind for kind in kinds if kind is not Literal]
    described["words"] = described.get("words") or words
    if described.get("flag") == "":
        described["flag"] = "--" + name.replace("_", "-")
    kind = kinds[0] if kinds else str
    items = get_args(hint)[0] if kind is tuple else str
    return Option(name, kind, NoneType in alternatives, items, default=default, **described)
