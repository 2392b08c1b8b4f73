"""The settings of a distillation: groups of settings and those of the objective, as a file stores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from fredfmt.codec.inputs import ChannelTransform, channel_transform_of
from fredfmt.data.sources import Source
from fredfmt.distill.networks import NetworkConfig
from fredfmt.distill.objectives import OBJECTIVES, Objective, settings_class
from fredfmt.distill.settings import Settings, group, regrouped
from fredfmt.distill.settings.groups import (
    GROUPS,
    OptimizationSettings,
    RunSettings,
    TeacherSettings,
    instances_per_class,
)
from fredfmt.distill.settings.layout import BudgetSettings, FrequencySettings
from fredfmt.errors import ArgumentError, quoted
from fredfmt.model.distillation import NAMED, abridged, complete
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Normalization
from fredfmt.model.typed import thawed


@dataclass(frozen=True)
class RecordedSettings(Settings):
    """The recorded settings of a custom objective whose class is not available."""

    where: ClassVar[str] = "distillation.objective"

    name: str
    """The name of the objective."""
    values: Mapping[str, Any]
    """Its settings."""

    def to_json(self) -> dict[str, Any]:
        """The settings as they were recorded."""
        return dict(self.values)

    spelled = to_json


@dataclass(frozen=True, init=False)
class DistillConfig(Settings):
    """All settings of `fredfmt.distill.distill`: the same settings and source give the same file.

    Settings are given by name, whichever group they belong to, or as a whole group; omitted ones have their defaults.
    They are also read by name. Each objective has its own settings, and those of other objectives are refused.

    Parameters
    ----------
    objective
        A name in `fredfmt.distill.objectives.OBJECTIVES`, or a custom class.
    network
        A name, or a `NetworkConfig`.
    budget, frequencies, optimization, run, teacher
        Groups: `BudgetSettings`, `FrequencySettings`, `OptimizationSettings`, `RunSettings`, `TeacherSettings`.
    settings
        Any setting by its name.

    Raises
    ------
    ArgumentError
        For an unknown objective, unknown settings and unusable values.

    >>> config = DistillConfig(objective="dm", k=32, batch_real=16, network="vit")
    >>> config.k, config.frequencies.k, config.objective_settings.batch_real, config.network.name
    (32, 32, 16, 'vit')
    >>> config.replace(seed=3).to_json()["run"]
    {'seed': 3}
    >>> DistillConfig(objective="dm", pool=3)
    Traceback (most recent call last):
    fredfmt.errors.ArgumentError: distillation: dm has no setting pool, which is a setting of frepo, unroll
    """

    where: ClassVar[str] = "distillation"

    budget: BudgetSettings = group(BudgetSettings)
    frequencies: FrequencySettings = group(FrequencySettings)
    objective: str = NAMED["objective"]
    """A name in `fredfmt.distill.objectives.OBJECTIVES`, or ``package.module:Class``."""
    objective_settings: Settings = field(default_factory=Settings)
    """An instance of the objective's ``Settings``."""
    optimization: OptimizationSettings = group(OptimizationSettings)
    network: NetworkConfig = group(NetworkConfig)
    run: RunSettings = group(RunSettings)
    teacher: TeacherSettings = group(TeacherSettings)
    objective_class: type[Objective] | None = field(default=None, repr=False, compare=False)
    """None if a file names a class that is not available."""

    def __init__(
        self,
        *,
        objective: str | type[Objective] | Mapping[str, Any] = NAMED["objective"],
        objective_settings: Settings | None = None,
        objective_class: type[Objective] | None = None,
        **settings: Any,
    ) -> None:
        options = self.options()
        defaults = {name: option.group() for name, option in options.items() if option.group is not None}
        given = regrouped(options, defaults, settings)
        for name, default in defaults.items():
            object.__setattr__(self, name, type(default).of(given.pop(name)))
        chosen: Any = objective
        if isinstance(objective, Mapping):
            given = {**objective, **given}
            chosen, objective_settings = given.pop("name", NAMED["objective"]), None
        name, found = _resolved(chosen, objective_class, objective_settings)
        object.__setattr__(self, "objective", name)
        object.__setattr__(self, "objective_class", found)
        object.__setattr__(self, "objective_settings", _settings(name, found, objective_settings, given))

    def __getattr__(self, name: str) -> Any:
        """A setting by its name, whichever group it belongs to."""
        for entry in fields(self):
            held = self.__dict__.get(entry.name)
            if isinstance(held, Settings) and name in held.options() and name != "name":
                return getattr(held, name)
        raise AttributeError(f"{type(self).__name__!r} has no setting {name!r} for the objective {self.objective!r}")

    @classmethod
    def of(cls, given: Any) -> Self:
        """``given`` if it is a configuration, or a configuration made from a mapping by name."""
        return cls(**given) if isinstance(given, Mapping) else super().of(given)

    def to_json(self) -> dict[str, Any]:
        """The document that files store, which omits defaults; `from_json` restores equal settings. See
        `fredfmt.model.distillation`."""
        network = self.network.to_json()
        return abridged(
            {
                **{name: getattr(self, name).to_json() for name in GROUPS},
                "objective": {"name": self.objective, "configuration": self.objective_settings.to_json()},
                "network": {"name": network.pop("name"), "configuration": network},
            }
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read a document of `to_json`, or the flat one of the first files.

        An objective that is not in `OBJECTIVES` is kept as it was recorded; its class is needed to run it. Raises
        `ArgumentError` for unknown settings and unusable values, and `VersionError` for settings of a newer version of
        fredfmt.
        """
        full: dict[str, Any] = complete(values)
        for named in NAMED:
            full[named] = {"name": full[named]["name"], **full[named]["configuration"]}
        name = full["objective"]["name"]
        if name not in OBJECTIVES:
            recorded = {key: value for key, value in full["objective"].items() if key != "name"}
            full |= {"objective": name, "objective_settings": RecordedSettings(name, recorded)}
        return cls(**full | {"network": NetworkConfig.from_json(full["network"])})

    def spelled(self) -> dict[str, Any]:
        """Every setting in the form of TOML, with a table for each group."""
        return super().spelled() | {"objective": {"name": self.objective, **self.objective_settings.spelled()}}

    def instances_per_class(self, spatial_shape: tuple[int, ...]) -> int:
        """The number of instances per class within the budget: `fredfmt.distill.settings.groups.instances_per_class`.

        >>> DistillConfig(ipc=1, k=49).instances_per_class((28, 28))
        16
        """
        return instances_per_class(self.budget, self.frequencies, spatial_shape)

    def channel_transform(self, source: Source) -> ChannelTransform:
        """``"dct"`` or ``"none"``: whether files of images of ``source`` have a channel transform.

        >>> from fredfmt import open_source
        >>> DistillConfig().channel_transform(open_source("digits"))
        'none'
        """
        settings, exact = self.frequencies, not isinstance(self.budget.step, int | float)
        shape = source.channels, source.spatial_shape
        found = channel_transform_of(settings.channel_transform, *shape, settings.transform, exact=exact)
        return "none" if found is None else "dct"


def _resolved(
    objective: str | type[Objective], known: type[Objective] | None, recorded: Settings | None
) -> tuple[str, type[Objective] | None]:
    """The name of an objective and its class, if it is available."""
    if not isinstance(objective, str):
        return OBJECTIVES.name_of(objective), objective
    if objective in OBJECTIVES:
        return objective, OBJECTIVES[objective]
    if known is not None and OBJECTIVES.name_of(known) == objective:
        return objective, known
    if ":" in objective or (isinstance(recorded, RecordedSettings) and recorded.name == objective):
        return objective, None
    raise ArgumentError(
        "no such objective",
        where="distillation.objective",
        expected=f"one of {', '.join(OBJECTIVES)}, or a custom class",
        found=quoted(objective),
    )


def _settings(
    name: str, objective: type[Objective] | None, before: Settings | None, changes: Mapping[str, Any]
) -> Settings:
    """The settings of an objective: its previous ones, or those that it shares with the previous objective, with
    changes."""
    recorded = before.values if isinstance(before, RecordedSettings) and before.name == name else {}
    if objective is None:
        return RecordedSettings(name, {**recorded, **changes})
    kind = settings_class(objective)
    if unknown := sorted(set(changes) - set(kind.options())):
        raise _unknown(name, unknown[0])
    if before is None:
        return kind.of(changes)
    if isinstance(before, RecordedSettings):
        return kind.of({**recorded, **changes})
    if type(before) is kind:
        return before.replace(**changes)
    chosen = {
        key: value
        for key, option in before.options().items()
        if key in kind.options() and (value := getattr(before, key)) != option.default
    }
    return kind.of({**chosen, **changes})


def _unknown(objective: str, setting: str) -> ArgumentError:
    owners = [name for name, made in OBJECTIVES.usable().items() if setting in settings_class(made).options()]
    if owners:
        return ArgumentError(
            f"{objective} has no setting {setting}, which is a setting of {', '.join(owners)}", where="distillation"
        )
    return ArgumentError(
        "unknown settings",
        where="distillation",
        expected=", ".join(sorted(name for made in GROUPS.values() for name in made.options())),
        found=setting,
    )


def run_of(metadata: Metadata, where: str = "metadata") -> tuple[DistillConfig, str, tuple[str, ...]]:
    """The settings, the source and the classes of the run that made a file. Raises `ArgumentError` for data that were
    not distilled.
    """
    if not metadata.distillation or "name" not in metadata.source:
        raise ArgumentError("the data were not distilled, so there is no run to repeat", where=where)
    return DistillConfig.from_json(thawed(metadata.distillation)), str(metadata.source["name"]), metadata.classes


def in_space_of(config: DistillConfig, source: Source) -> Source:
    """The images of a source as a run learns from them: whitened, if its settings say so."""
    return source.in_space(config.run.zca_epsilon if config.run.zca else None)


def check_same_images(metadata: Metadata, source: Source, where: str = "metadata") -> None:
    """Raise `ArgumentError` if ``source`` has other images than the run that made a file, as far as the file can tell:
    its name does not contain the folders in which the images were."""
    before = (metadata.channels, metadata.spatial_shape, metadata.normalization)
    now = (source.channels, source.spatial_shape, source.normalization)
    if metadata.whitening is None and before != now:  # the run itself compares what images were whitened with
        raise ArgumentError(
            f"{source.name} has other images here than those of the run",
            where=where,
            expected=_described(*before),
            found=_described(*now),
            hint="Run it in the folder that holds the source, or name the source: --from FILE SOURCE OUT",
        )


def _described(channels: int, shape: tuple[int, ...], normalization: Normalization | None) -> str:
    size = "x".join(map(str, (channels, *shape)))
    if normalization is None:
        return size
    return f"{size} with mean {[*normalization.mean]} and std {[*normalization.std]}"
