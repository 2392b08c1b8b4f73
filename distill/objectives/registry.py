"""Objectives by name: those of fredfmt, and those that installed packages add."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fredfmt.distill.networks import NetworkConfig, name_of
from fredfmt.distill.objectives.objective import Objective, settings_class
from fredfmt.distill.settings import Option, Settings
from fredfmt.distill.settings.groups import GROUPS
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.distillation import NAMED

_log = logging.getLogger(__name__)
ENTRY_POINTS = "fredfmt.objectives"


class Registry(Mapping[str, type[Objective]]):
    """The classes of objectives by name, each imported when it is used: those of fredfmt, given as ``module:Class`` by
    name, and those of entry points of the group ``fredfmt.objectives``, which cannot replace the former."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self._own = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in own.items()}

    @cached_property
    def _known(self) -> Mapping[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)} | self._own

    def __getitem__(self, name: str) -> type[Objective]:
        """Raises `KeyError` for an unknown name, and `ArgumentError` for an entry point that is not a usable
        objective."""
        entry = self._own[name] if name in self._own else self._known[name]
        try:
            found = entry.load()
        except Exception as error:  # modules of other packages can raise anything
            raise ArgumentError(
                "an installed objective cannot be imported", where=f"entry point {entry.value}", found=error
            ) from error
        return checked(found, f"entry point {entry.value}")

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._known if name not in self._own)

    def __len__(self) -> int:
        return len(self._known)

    def usable(self) -> dict[str, type[Objective]]:
        """All objectives that can be imported, by name; for the others a warning is logged."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except ArgumentError as error:
                _log.warning("the objective %s is omitted: %s", name, error)
        return found

    def name_of(self, objective: type[Objective]) -> str:
        """The name of a class, or ``module:Class`` if it is not registered."""
        checked(objective, name_of(objective))
        return next((name for name, known in self.usable().items() if known is objective), name_of(objective))

    def option(self) -> Option:
        """The setting that names an objective, with a short description of each."""
        words = [f"{name}: {getattr(found, 'title', found.__name__)}" for name, found in self.usable().items()]
        help = f"{'; '.join(words)}; or package.module:Class of a custom one."
        return Option("objective", str, default=NAMED["objective"], help=help, flag="--objective", examples=tuple(self))

    def options(self) -> dict[tuple[str, ...], dict[str, Option]]:
        """The settings of all usable objectives, by the names of the objectives that have them.

        Bounds and defaults that differ between objectives are omitted. An option that is a number for one objective and
        something else for another is text, which each objective interprets.
        """
        known: dict[str, dict[str, Option]] = {}
        for objective, found in self.usable().items():
            for name, option in settings_class(found).options().items():
                known.setdefault(name, {})[objective] = option
        groups: dict[tuple[str, ...], dict[str, Option]] = {}
        for name, owners in known.items():
            groups.setdefault(tuple(owners), {})[name] = common_option(list(owners.values()))
        return groups


def common_option(options: Sequence[Option]) -> Option:
    """One option of the command for the settings of several objectives with the same name."""
    first = options[0]
    if all(option == first for option in options):
        return first
    help = " ".join(dict.fromkeys(option.help for option in options))
    if any((option.kind, option.words) != (first.kind, first.words) for option in options):
        return Option(first.name, str, optional=True, help=help, flag=first.flag)
    loose = replace(first, help=help, least=None, above=None, below=None, check=None)
    return loose if all(option.default == first.default for option in options) else replace(loose, default=None)


def checked(found: Any, where: str) -> type[Objective]:
    """The class of an objective, unchanged. Raises `ArgumentError` for anything else, or if its settings have names of
    shared settings."""
    if not (isinstance(found, type) and callable(getattr(found, "losses", None))):
        raise ArgumentError(
            "not an objective", where=where, expected="a class with a method losses", found=quoted(found)
        )
    kind: Any = settings_class(found)
    if not (isinstance(kind, type) and issubclass(kind, Settings)):
        raise ArgumentError(
            "the Settings of an objective are not a class of settings",
            where=f"{where}.Settings",
            expected="a subclass of fredfmt.distill.settings.Settings",
            found=quoted(kind),
        )
    groups: list[type[Settings]] = [*GROUPS.values(), NetworkConfig]
    shared = {*GROUPS, "objective", "network"}.union(*(group.options() for group in groups))
    if taken := sorted(shared & set(kind.options())):
        raise ArgumentError(
            "an objective has settings with the names of shared settings", where=f"{where}.Settings", found=taken
        )
    return found
