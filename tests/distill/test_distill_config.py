"""The settings of a distillation: given by name, grouped, checked, written short and read back, of every version."""

import copy
import json
import pickle
from dataclasses import replace

import pytest

from fredfmt import ArgumentError
from fredfmt.distill import DistillConfig, EvaluationConfig, ExpertConfig, NetworkConfig
from fredfmt.distill.objectives import DM, DSA, OBJECTIVES, LabelSettings, make_objective, settings_class
from fredfmt.distill.settings import Settings
from fredfmt.distill.settings.groups import GROUPS
from fredfmt.errors import VersionError
from fredfmt.model.distillation import DEFAULTS, FLAT, abridged, by_name, complete, objective_of

OTHER = DistillConfig(
    objective="dm",
    ipc=2.5,
    k=11,
    transform="haar",
    mask="low",
    mask_scope="start",
    step=0.25,
    quantize_in_loop=True,
    iterations=17,
    optimizer="sgd",
    lr=3.0,
    momentum=0.0,
    average=0.0,
    batch_real=5,
    network=NetworkConfig(width=7, depth=2),
    augmentation="crop_flip",
    seed=12,
)


class Own(DM):
    """Somebody's own objective, without settings of its own."""


class Weighted(DM):
    """Somebody's own objective with settings of its own."""

    Settings = LabelSettings


HERE = f"{__name__}:"


@pytest.mark.parametrize(
    "config",
    [
        DistillConfig(),
        OTHER,
        DistillConfig(step=None),
        DistillConfig(step="float16"),
        DistillConfig(max_bytes=4000),
        DistillConfig(objective="tm", experts_digest="sha256:1", network="own.module:factory"),
        DistillConfig(objective=f"{HERE}Own", batch_real=3),
        EvaluationConfig(steps=3, network=NetworkConfig(depth=4)),
        ExpertConfig(zca=True),
    ],
)
def test_a_configuration_survives_json_toml_and_pickle(tmp_path, config):
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config
    (tmp_path / "run.toml").write_text(config.to_toml())
    assert type(config).from_toml(tmp_path / "run.toml") == config
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k = ", "cannot be read as TOML"),
        ("kk = 3", "unknown settings"),
        ("k = 0", r"frequencies\.k"),
        ('objective = "frpo"', "no such objective"),
        ('[objective]\nname = "dm"\npool = 3', "dm has no setting pool, which is a setting of frepo"),
        ("[budget]\nk = 3", r"distillation\.budget: unknown settings"),
        (None, "No such"),
    ],
)
def test_unusable_toml_is_refused_by_file_and_field(tmp_path, text, message):
    path = tmp_path / "run.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArgumentError, match=message) as caught:
        DistillConfig.from_toml(path)
    assert str(path) in str(caught.value)


def test_toml_may_be_flat_or_in_tables(tmp_path):
    flat, tables = tmp_path / "flat.toml", tmp_path / "tables.toml"
    flat.write_text('objective = "dm"\nk = 9\nstep = "float32"\nbatch_real = 3\n[network]\nwidth = 5\n')
    tables.write_text('[objective]\nname = "dm"\nbatch_real = 3\n[frequencies]\nk = 9\n[budget]\nstep = "float32"\n')
    config = DistillConfig.from_toml(flat)
    assert config == DistillConfig(objective="dm", k=9, step=None, batch_real=3, network=NetworkConfig(width=5))
    assert DistillConfig.from_toml(tables) == config.replace(width=32)


def test_settings_that_are_missing_take_their_defaults():
    assert DistillConfig.from_json({"defaults": 5, "frequencies": {"k": 16}}) == DistillConfig(k=16)
    first = DistillConfig(k=16, channel_transform="none", batch_classes=0, batch_syn=0, teacher_labels="originals")
    assert DistillConfig.from_json({"k": 16}) == first
    assert DistillConfig.from_json({"defaults": 1, "frequencies": {"k": 16}}) == first


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ipc": 0}, "budget.ipc"),
        ({"ipc": float("nan")}, "budget.ipc"),
        ({"k": 0}, "frequencies.k"),
        ({"k": 4.5}, "frequencies.k"),
        ({"k": True}, "frequencies.k"),
        ({"k": None}, "frequencies.k"),
        ({"k": "9"}, "frequencies.k"),
        ({"transform": "dst"}, "frequencies.transform"),
        ({"mask": "highest"}, "frequencies.mask"),
        ({"mask_scope": "batch"}, "frequencies.mask_scope"),
        ({"step": -1}, "budget.step"),
        ({"step": True}, "budget.step"),
        ({"step": "float64"}, "budget.step"),
        ({"step": None, "quantize_in_loop": True}, "budget.step"),
        ({"step": "float16", "rate": 0.1}, "budget.step"),
        ({"max_bytes": 0}, "budget.max_bytes"),
        ({"quantize_in_loop": 1}, "budget.quantize_in_loop"),
        ({"iterations": -1}, "optimization.iterations"),
        ({"rate": "auto"}, "budget.max_bytes"),
        ({"rate": "auto", "max_bytes": 900, "step": "float16"}, "budget.step"),
        ({"max_bytes": 900, "step": None}, "a number, as max_bytes searches the step"),
        ({"held_out": 1.0}, "run.held_out"),
        ({"teacher_steps": -1}, "teacher.teacher_steps"),
        ({"optimizer": "lion"}, "optimization.optimizer"),
        ({"lr": float("inf")}, "optimization.lr"),
        ({"lr": 0}, "optimization.lr"),
        ({"momentum": 1}, "optimization.momentum"),
        ({"average": 1.0}, "optimization.average"),
        ({"batch_real": 0}, "objective.batch_real"),
        ({"network": "convent"}, "network.name"),
        ({"network": 3}, "network"),
        ({"network": {"width": 0}}, "network.width"),
        ({"network": {"length": 0}}, "length"),
        ({"augmentation": "jitter"}, "run.augmentation"),
        ({"seed": -1}, "run.seed"),
        ({"objective": 7}, "objective"),
        ({"objective": int}, "not an objective"),
        ({"budget": 7}, "budget"),
        ({"learning_rate": 1}, "learning_rate"),
    ],
)
def test_unusable_settings_are_named(settings, named):
    with pytest.raises(ArgumentError) as error:
        DistillConfig(**settings)
    assert named in str(error.value)


@pytest.mark.parametrize("objective", ["frpo", "FRePo", "gram matching", ""])
def test_a_misspelt_objective_is_refused_at_once(objective):
    with pytest.raises(ArgumentError, match="no such objective; expected one of dc, dm, dsa, frepo, tm"):
        DistillConfig(objective=objective)
    with pytest.raises(ArgumentError, match="no such objective"):
        OTHER.replace(objective=objective)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_an_objective_has_its_own_settings_and_no_others(objective):
    own = settings_class(OBJECTIVES[objective]).options()
    for name in {name for other in OBJECTIVES.values() for name in settings_class(other).options()}:
        value = {"learn_labels": True, "experts": "x", "experts_digest": "x"}.get(name, 3)
        if name in own:
            config = DistillConfig(objective=objective, **{name: value})
            assert getattr(config, name) == getattr(config.objective_settings, name) == value
            assert config.to_json()["objective"]["configuration"] == {name: value}
        else:
            with pytest.raises(ArgumentError, match=f"{objective} has no setting {name}, which is a setting of"):
                DistillConfig(objective=objective, **{name: value})
            with pytest.raises(AttributeError, match=name):
                getattr(DistillConfig(objective=objective), name)


def test_settings_are_read_and_replaced_by_their_own_names():
    assert (OTHER.k, OTHER.lr, OTHER.batch_real, OTHER.width) == (11, 3.0, 5, 7)
    assert OTHER.objective == "dm"
    assert OTHER.optimizer == "sgd"
    for changed in (OTHER.replace(seed=1, width=8), replace(OTHER, seed=1, width=8)):
        assert (changed.run.seed, changed.network) == (1, NetworkConfig(width=8, depth=2))
        assert changed.replace(seed=12, width=7) == OTHER
    assert OTHER.replace(network="vit").network == NetworkConfig("vit", width=7, depth=2)
    with pytest.raises(ArgumentError, match="unknown settings"):
        OTHER.replace(learning_rate=1)


def test_another_objective_takes_over_what_it_knows():
    assert OTHER.replace(objective="dsa").batch_real == replace(OTHER, objective="dsa").batch_real == 5
    frepo = DistillConfig(pool=3, batch_real=9, learn_labels=True)
    assert frepo.replace(objective="dm").objective_settings == settings_class(DM)(batch_real=9)
    assert frepo.replace(objective="tm").learn_labels is True
    assert frepo.replace(objective=Own).batch_real == 9


def test_an_objective_of_ones_own_is_recorded_by_module_and_class():
    config = DistillConfig(objective=Own, batch_real=3, seed=4)
    assert config.objective == f"{HERE}Own"
    document = config.to_json()
    assert document["objective"] == {"name": f"{HERE}Own", "configuration": {"batch_real": 3, "batch_classes": 20}}
    assert isinstance(make_objective(config), Own)
    read = DistillConfig.from_json(document)
    assert read.to_json() == document
    assert read.seed == 4
    with pytest.raises(ArgumentError, match=r"custom objective.*--objective package\.module:Class"):
        make_objective(read)
    assert read.replace(objective=Own) == config
    assert isinstance(make_objective(replace(read, objective=Own)), Own)
    labelled = DistillConfig(objective=Weighted, lr_labels=0.5)
    assert labelled.lr_labels == 0.5
    with pytest.raises(ArgumentError, match="batch_real"):
        DistillConfig(objective=Weighted, batch_real=3)
    assert DistillConfig(objective=DSA).objective == "dsa"


def test_an_objective_may_not_take_the_names_of_shared_settings():
    class Taken(DM):
        class Settings(Settings):
            pass

    Taken.Settings = GROUPS["run"]
    with pytest.raises(ArgumentError, match="names of shared settings"):
        DistillConfig(objective=Taken)


@pytest.mark.parametrize(
    ("settings", "shape", "instances"),
    [
        ({"ipc": 1, "k": 49}, (28, 28), 16),
        ({"ipc": 1, "k": 50}, (28, 28), 15),
        ({"ipc": 2, "k": 64}, (32, 32), 32),
        ({"ipc": 0.3, "k": 10}, (20, 10), 6),
        ({"ipc": 1, "k": 221}, (13, 17), 1),
    ],
)
def test_instances_of_a_budget(settings, shape, instances):
    assert DistillConfig(**settings).instances_per_class(shape) == instances


def test_a_budget_below_one_instance_is_refused():
    with pytest.raises(ArgumentError, match="less than one instance"):
        DistillConfig(ipc=0.1, k=49).instances_per_class((13, 17))
    with pytest.raises(ArgumentError, match="k is out of range"):
        DistillConfig(ipc=9, k=222).instances_per_class((13, 17))


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"protocol": "papers"}, {"seeds": 0}, {"lr": 0}, {"batch": 0}, {"network": "vgg"}]
)
def test_unusable_evaluations_are_named(settings):
    with pytest.raises(ArgumentError, match=next(iter(settings))):
        EvaluationConfig(**settings)


# What files of fredfmt 0.1 and of defaults 1 mean. These never change: a changed default is a new version of defaults.

FLAT_0_1 = {
    "objective": "frepo",
    "ipc": 1.0,
    "k": 49,
    "transform": "dct",
    "mask": "evr",
    "mask_scope": "class",
    "step": 1.0,
    "max_bytes": None,
    "quantize_in_loop": False,
    "iterations": 1000,
    "optimizer": "adam",
    "lr": 0.1,
    "momentum": 0.5,
    "average": 0.99,
    "batch_real": 32,
    "batch_syn": 0,
    "pool": 8,
    "pool_age": 30,
    "learn_labels": False,
    "lr_labels": 0.05,
    "base": False,
    "rate": 0.0,
    "network": {"name": "convnet", "width": 32, "depth": 3, "norm": "instance", "pooling": "avg"},
    "augmentation": "color_crop_cutout_flip_scale_rotate",
    "zca": False,
    "zca_epsilon": 0.1,
    "precision": "float32",
    "compile": False,
    "seed": 0,
}
"""What 0.1 wrote for its defaults."""
GOLDEN = {
    "budget": {"ipc": 1.0, "step": 1.0, "max_bytes": None, "quantize_in_loop": False, "rate": 0.0},
    "frequencies": {
        "k": 49,
        "transform": "dct",
        "mask": "evr",
        "mask_scope": "class",
        "base": False,
        "channel_transform": "none",
    },
    "optimization": {"iterations": 1000, "optimizer": "adam", "lr": 0.1, "momentum": 0.5, "average": 0.99},
    "network": {
        "name": "convnet",
        "configuration": {"width": 32, "depth": 3, "norm": "instance", "pooling": "avg"},
    },
    "run": {
        "augmentation": "color_crop_cutout_flip_scale_rotate",
        "zca": False,
        "zca_epsilon": 0.1,
        "precision": "float32",
        "compile": False,
        "seed": 0,
        "held_out": 0.0,
    },
    "teacher": {"teacher_steps": 0, "teacher_width": 64, "teacher_labels": "originals", "teacher_weight": 0.0},
}
GRADIENTS = {"batch_real": 32, "batch_classes": 0, "outer_loop": 1, "inner_loop": 1, "lr_net": 0.01}
LABELS = {"learn_labels": False, "lr_labels": 0.05}
GOLDEN_OBJECTIVES = {
    "dm": {"batch_real": 32, "batch_classes": 0},
    "dc": GRADIENTS,
    "dsa": GRADIENTS,
    "frepo": {"batch_real": 32, "batch_classes": 0, "batch_syn": 0, "pool": 8, "pool_age": 30, **LABELS},
    "tm": {
        **{"experts": "", "experts_digest": "", "batch_syn": 0, "batch_experts": 1, "max_start_epoch": 5},
        **{"expert_epochs": 2, "syn_steps": 20, "lr_syn": 0.01, "lr_lr": 0.01, **LABELS},
    },
    "unroll": {"batch_real": 32, "batch_classes": 20, "syn_steps": 16, "pool": 8, "pool_age": 400, **LABELS},
}


CHANGED_2 = {
    "dm": {"batch_classes": 20},
    "dc": {"batch_classes": 20},
    "dsa": {"batch_classes": 20},
    "frepo": {"batch_classes": 20, "batch_syn": 8192},
    "tm": {"batch_syn": 8192},
    "unroll": {},
}
"""What defaults 2 say otherwise."""
CHANGED_3 = {"teacher_labels": "both"}
"""What defaults 3 say otherwise, of the teacher."""
CHANGED_4 = {
    "budget": {"quantize_in_loop": True, "rate": "auto"},
    "frequencies": {"mask": "low"},
    "optimization": {"iterations": 600},
    "run": {"held_out": 0.1},
}
"""What defaults 4 say otherwise, and 0 for ``batch_syn`` of frepo."""


@pytest.mark.parametrize("objective", sorted(GOLDEN_OBJECTIVES))
def test_what_a_document_leaves_out_never_changes(objective):
    meant = GOLDEN | {"objective": {"name": objective, "configuration": GOLDEN_OBJECTIVES[objective]}}
    short = {"defaults": 1, "objective": {"name": objective}}
    assert complete(short) == meant
    assert complete(abridged(meant)) == meant
    flat = {name: FLAT_0_1[name] for name in FLAT_0_1 if FLAT.get(name) != "objective"} | {"objective": objective}
    assert complete(flat) == meant
    second = GOLDEN_OBJECTIVES[objective] | CHANGED_2[objective]
    short = {"defaults": 2, "objective": {"name": objective}}
    assert complete(short) == GOLDEN | {"objective": {"name": objective, "configuration": second}}
    third = GOLDEN | {"teacher": GOLDEN["teacher"] | CHANGED_3}
    short = {"defaults": 3, "objective": {"name": objective}}
    assert complete(short) == third | {"objective": {"name": objective, "configuration": second}}
    assert abridged(complete(short)) == short
    fourth = third | {group: third[group] | changed for group, changed in CHANGED_4.items()}
    if objective == "frepo":
        second = second | {"batch_syn": 0}
    short = {"defaults": 4, "objective": {"name": objective}}
    assert complete(short) == fourth | {"objective": {"name": objective, "configuration": second}}
    assert abridged(complete(short)) == short
    for version, before in ((5, third), (6, fourth)):
        short = {"defaults": version, "objective": {"name": objective}}
        full = complete(short)
        assert full["frequencies"] == before["frequencies"] | {"channel_transform": "auto"}
        assert full | {"frequencies": None} == complete({**short, "defaults": version - 2}) | {"frequencies": None}
        assert abridged(full) == short
    assert set(DEFAULTS) == {1, 2, 3, 4, 5, 6}


def test_documents_of_0_1_are_read():
    assert complete(FLAT_0_1) == complete({"defaults": 1})
    flat = {**FLAT_0_1, "objective": "dm", "k": 9, "pool": 3, "network": {"name": "own:factory"}, "batch_real": 5}
    full = complete(flat)
    assert full["objective"] == {
        "name": "dm",
        "configuration": {"batch_real": 5, "batch_classes": 0},
    }  # pool meant nothing to dm
    assert full["network"] == {"name": "own:factory", "configuration": {}}
    assert full["frequencies"]["k"] == 9
    config = DistillConfig.from_json(flat)
    assert (config.objective, config.batch_real, config.k, config.network.own) == ("dm", 5, 9, True)
    named = DistillConfig.from_json({"objective": "gram matching", "batch_real": 7})  # 0.1 recorded any name
    assert named.to_json()["objective"] == {"name": "gram matching", "configuration": {"batch_real": 7}}
    with pytest.raises(ArgumentError, match="custom objective"):
        make_objective(named)
    with pytest.raises(ArgumentError, match="unknown settings"):
        DistillConfig.from_json({"objective": "dm", "learning_rate": 1})


def test_documents_are_short_and_hold_what_the_defaults_do_not_know():
    assert DistillConfig().to_json() == {"defaults": 5, "objective": {"name": "frepo"}}
    assert OTHER.to_json()["objective"] == {"name": "dm", "configuration": {"batch_real": 5}}
    own = DistillConfig(objective=Own).to_json()["objective"]
    assert own == {"name": f"{HERE}Own", "configuration": {"batch_real": 32, "batch_classes": 20}}
    assert abridged(complete({"defaults": 1, "run": {"zca": 0, "seed": False}}))["run"] == {"zca": 0, "seed": False}


@pytest.mark.parametrize(
    "document",
    [
        {"defaults": max(DEFAULTS) + 1},
        {"defaults": True},
        {"defaults": None},
        {"defaults": 1.5},
        {"defaults": 1, "budgets": {}},
        {"defaults": 1, "budget": 3},
        {"defaults": 1, "objective": "dm"},
        {"defaults": 1, "objective": {"name": None}},
        {"defaults": 1, "objective": {"name": "dm", "settings": {}}},
        {"defaults": 1, "objective": {"name": "dm", "configuration": []}},
        {"network": "convnet"},
        {"objective": ["dm"]},
        {"objective": {"name": "dm"}},
        {"who": "knows"},
    ],
)
def test_documents_of_another_shape_are_refused_and_shown_unchanged(document):
    with pytest.raises((ArgumentError, VersionError)):
        complete(document)
    assert by_name(document) == document
    assert objective_of(document) in (None, "dm")


def test_settings_have_one_name_each_and_help():
    shared = [name for group in (*GROUPS.values(), NetworkConfig) for name in group.options() if name != "name"]
    assert len(shared) == len(set(shared))
    for kind in (*GROUPS.values(), NetworkConfig, *map(settings_class, OBJECTIVES.values())):
        for option in kind.options().values():
            assert option.help.endswith("."), option.name
            assert option.fits(option.default)
