"""Whatever a caller gives for a number, one error of fredfmt's own says what is wrong with it."""

import math
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

import fredfmt
from fredfmt import ArgumentError, FreDDataset, FreDLoader, Limits, decode, encode, open_source
from fredfmt.codec.whitening import ZCA
from fredfmt.data.coding import encode_in_bytes
from fredfmt.distill import (
    CorruptionConfig,
    DistillConfig,
    EvaluationConfig,
    ExpertConfig,
    NetworkConfig,
    choose,
    compare,
    plan,
)
from fredfmt.distill.evaluation.corruptions import corrupt
from fredfmt.distill.evaluation.scores import label_robust_score
from fredfmt.distill.objectives import OBJECTIVES, settings_class
from fredfmt.distill.objectives.registry import checked
from fredfmt.errors import FredError, quoted
from fredfmt.exchange.exporters import export
from fredfmt.model.arguments import indices_of, integer_of
from fredfmt.model.parts import Normalization, Quantization, Whitening
from fredfmt.model.selection import of_classes
from fredfmt.view.preview import preview

UNUSABLE = {
    "400 digits": 10**400,
    "5000 digits": 10**5000,
    "minus 400 digits": -(10**400),
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "numpy nan": np.float64("nan"),
    "true": True,
    "numpy true": np.True_,
    "decimal": Decimal("0.5"),
    "decimal nan": Decimal("NaN"),
    "fraction": Fraction(1, 2),
    "text": "1x",
    "bytes": b"1",
    "complex": 1j,
    "object": object(),
    "array": np.array([0.5, math.nan]),
    "tensor": torch.tensor([0.5, 2.0]),
    "list": [10**400],
}
IMAGES = np.random.default_rng(0).random((8, 1, 8, 12), np.float32)
LABELS = np.arange(8) % 2
DATA = encode(IMAGES, LABELS, k=8, step=0.1)
DIGITS = open_source("digits").sample(4)


def coded(**options):
    return encode(IMAGES, LABELS, **{"k": 8, **options})


def planned(**options):
    return plan(DIGITS, **{"ipc": 1, "ks": [16], "steps": [0.5], **options})


def loaded(**state):
    loader = FreDLoader(DATA, batch_size=2)
    loader.load_state_dict({**loader.state_dict(), **state})


ENTRIES = {
    "encode k": lambda value: coded(k=value),
    "encode step": lambda value: coded(step=value),
    "encode target_rmse": lambda value: coded(target_rmse=value),
    "encode max_bytes": lambda value: coded(max_bytes=value),
    "encode seed": lambda value: coded(seed=value),
    "encode channels": lambda value: coded(channels=value),
    "encode mean": lambda value: coded(normalization=([value], [0.5])),
    "encode std": lambda value: coded(normalization=([0.5], [value])),
    "encode transform": lambda value: coded(transform=value),
    "encode rounding": lambda value: coded(rounding=value),
    "encode_in_bytes max_bytes": lambda value: encode_in_bytes(DIGITS, value),
    "encode_in_bytes k": lambda value: encode_in_bytes(DIGITS, 3000, k=value, per_class=2),
    "encode_in_bytes per_class": lambda value: encode_in_bytes(DIGITS, 3000, k=8, per_class=value),
    "encode_in_bytes seed": lambda value: encode_in_bytes(DIGITS, 3000, k=8, per_class=2, seed=value),
    "plan max_bytes": lambda value: planned(ipc=None, max_bytes=value),
    "plan ipc": lambda value: planned(ipc=value),
    "plan k": lambda value: planned(ks=[value]),
    "plan step": lambda value: planned(steps=[value]),
    "plan seed": lambda value: planned(seed=value),
    "loader batch_size": lambda value: FreDLoader(DATA, batch_size=value),
    "loader seed": lambda value: FreDLoader(DATA, seed=value),
    "loader rank": lambda value: FreDLoader(DATA, rank=value, world_size=2),
    "loader world_size": lambda value: FreDLoader(DATA, world_size=value),
    "loader size": lambda value: FreDLoader(DATA, size=value),
    "loader k": lambda value: FreDLoader(DATA, k=value),
    "loader set_epoch": lambda value: FreDLoader(DATA).set_epoch(value),
    "loader state epoch": lambda value: loaded(epoch=value),
    "loader state position": lambda value: loaded(position=value),
    "loader state seed": lambda value: loaded(seed=value),
    "dataset size": lambda value: FreDDataset(DATA, size=value),
    "dataset k": lambda value: FreDDataset(DATA, k=value),
    "dataset decode": lambda value: FreDDataset(DATA).decode([value, 1.5]),
    "decode size": lambda value: decode(DATA, size=value),
    "decode one length": lambda value: decode(DATA, size=(8, value)),
    "decode k": lambda value: decode(DATA, k=value),
    "decode dtype": lambda value: decode(DATA, dtype=value),
    "decode coefficients": lambda value: decode(DATA, coefficients=value),
    "preview instances": lambda value: preview(DATA, instances=value),
    "preview size": lambda value: preview(DATA, size=value),
    "preview k": lambda value: preview(DATA, k=value),
    "save path": lambda value: fredfmt.save(DATA, value),
    "save codec": lambda value: fredfmt.save(DATA, "x.fred", codec=value),
    "load limits": lambda value: fredfmt.load("x.fred", limits=value),
    "load expected_digest": lambda value: fredfmt.load("x.fred", expected_digest=value),
    "sample per_class": lambda value: DIGITS.sample(value),
    "sample seed": lambda value: DIGITS.sample(1, seed=value),
    "split_off": lambda value: DIGITS.split_off(value),
    "split_off seed": lambda value: DIGITS.split_off(0.5, seed=value),
    "in_space": lambda value: DIGITS.in_space(value),
    "subset": lambda value: DIGITS.subset([value, 1.5]),
    "open_source size": lambda value: open_source("digits", size=value),
    "ZCA epsilon": lambda value: ZCA.fit(DIGITS, value),
    "weight of a score": lambda value: label_robust_score(0.1, 0.1, weight=value),
    "recipe": lambda value: EvaluationConfig().following({"lr": value}),
    "severity": lambda value: CorruptionConfig(severities=(value,)),
    "severities": lambda value: CorruptionConfig(severities=value),
}
ENTRIES |= {f"Limits {limit.name}": lambda value, name=limit.name: Limits(**{name: value}) for limit in fields(Limits)}
SETTINGS = [
    *((EvaluationConfig, name, option) for name, option in EvaluationConfig.options().items()),
    *((ExpertConfig, name, option) for name, option in ExpertConfig.options().items()),
    *((NetworkConfig, name, option) for name, option in NetworkConfig.options().items()),
    *((CorruptionConfig, name, option) for name, option in CorruptionConfig.options().items()),
    *(
        (group, name, option)
        for group in (entry.group for entry in DistillConfig.options().values())
        for name, option in group.options().items()
    ),
    *(
        (settings_class(made), name, option)
        for made in OBJECTIVES.usable().values()
        for name, option in settings_class(made).options().items()
    ),
]
NUMBERS = [(kind, name) for kind, name, option in SETTINGS if option.kind in (int, float)]


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("entry", ENTRIES)
def test_an_unusable_number_is_refused_by_one_error_of_moderate_length(entry, name):
    with pytest.raises(ArgumentError) as raised:
        ENTRIES[entry](UNUSABLE[name])
    assert 10 < len(str(raised.value)) < 4000


@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda part: getattr(part, "__name__", part))
def test_a_setting_refuses_every_unusable_number(kind, name):
    for value in [*UNUSABLE.values(), 2**53, -(2**53)]:
        with pytest.raises(ArgumentError, match=name):
            kind(**{name: value})


@pytest.mark.parametrize("name", ["400 digits", "minus 400 digits", "5000 digits", "nan", "text", "true", "decimal"])
def test_parts_of_metadata_refuse_unusable_numbers(name):
    value = UNUSABLE[name]
    for make in (
        lambda: Normalization([value], [1.0]),
        lambda: Normalization([0.1], [value]),
        lambda: Quantization("uniform", value),
        lambda: Whitening("zca", value),
    ):
        with pytest.raises(FredError):
            make()


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**400, 10**5000, -9], ids=quoted)
def test_an_index_of_any_size_is_out_of_range(value):
    """The largest of 64 bits, too, which as a signed integer is -1."""
    given = [value, [value], [0, value], *([np.array([value], np.uint64)] if 0 <= value < 2**64 else [])]
    for index in given:
        for ask in (lambda at: decode(DATA, at), lambda at: FreDDataset(DATA)[at], lambda at: indices_of(at, 8)):
            with pytest.raises(IndexError, match="no such instance; expected -8 to 7"):
                ask(index)


@pytest.mark.parametrize("value", [2**53 - 1, np.int64(7), np.uint8(7), 2**64 - 1])
def test_integers_of_64_bits_are_accepted_as_python_integers(value):
    found = integer_of("seed", value, least=0)
    assert type(found) is int
    assert found == value
    assert FreDLoader(DATA, seed=value, shuffle=True).state_dict()["seed"] == value


def test_numpy_integers_of_few_bits_do_not_overflow():
    assert coded(k=np.uint8(8)) == coded(k=8)
    assert decode(DATA, k=np.uint8(2), size=np.uint8(16)).shape == (8, 1, 16, 16)
    assert len(DIGITS.sample(np.int16(2))) == 20


def test_a_budget_beyond_all_instances_is_all_instances():
    (choice,) = planned(ipc=1e308)
    assert choice.instances_per_class == 4


@pytest.mark.parametrize("slices", [slice("x", None), slice(0.5, None), slice(0, 5, 0)], ids=str)
def test_an_unusable_slice_is_a_type_error_and_an_argument_error(slices):
    for kind in (TypeError, ArgumentError):
        with pytest.raises(kind, match="unusable slice"):
            FreDDataset(DATA)[slices]


class Silent:
    """A value that cannot be written."""

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value", ["x" * 10**6, ["x" * 10**6], [10**5000], Silent()], ids=["text", "list", "integer", "silent"]
)
def test_names_and_classes_of_any_kind_are_refused_by_one_short_line(value, tmp_path):
    source = open_source("digits").sample(2)
    data = encode(source.normalized, source.labels, k=9)
    for use in (
        lambda: encode(source.normalized, source.labels, k=9, transform=value),
        lambda: encode(source.normalized, source.labels, k=9, mask="low", rounding=value),
        lambda: preview(data, kind=value),
        lambda: export(data, tmp_path / "x.npz", to=value),
        lambda: compare(data, source, source, baselines=value),
        lambda: compare(data, source, source, baselines=[value]),
        lambda: corrupt(torch.zeros(1, 1, 8, 8), value, 1),
        lambda: choose(source, 2500, effort=value),
        lambda: checked(value, "here"),
        lambda: checked(type("Losing", (), {"losses": print, "Settings": value}), "here"),
        lambda: DistillConfig(objective=value),
        lambda: of_classes(data, [value]),
    ):
        with pytest.raises(FredError) as caught:
            use()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 3000
