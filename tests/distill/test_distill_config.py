import json

import pytest

from fredfmt import ArgumentError
from fredfmt.distill import DistillConfig, EvaluationConfig, NetworkConfig

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


@pytest.mark.parametrize(
    "config",
    [
        DistillConfig(),
        OTHER,
        DistillConfig(step=None),
        DistillConfig(step="float16"),
        EvaluationConfig(steps=3, network=NetworkConfig(depth=4)),
    ],
)
def test_a_configuration_survives_json_and_toml(tmp_path, config):
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config
    (tmp_path / "run.toml").write_text(config.to_toml())
    assert type(config).from_toml(tmp_path / "run.toml") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k = ", "cannot be read as TOML"),
        ("kk = 3", "unknown settings"),
        ("k = 0", "distillation.k"),
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


def test_settings_that_are_missing_take_their_defaults():
    assert DistillConfig.from_json({"k": 16}) == DistillConfig(k=16)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ipc": 0}, "ipc"),
        ({"ipc": float("nan")}, "ipc"),
        ({"k": 0}, "k"),
        ({"k": 4.5}, "k"),
        ({"k": True}, "k"),
        ({"transform": "dst"}, "transform"),
        ({"mask": "highest"}, "mask"),
        ({"mask_scope": "batch"}, "mask_scope"),
        ({"step": -1}, "step"),
        ({"step": "float32"}, "step"),
        ({"step": None, "quantize_in_loop": True}, "step"),
        ({"quantize_in_loop": 1}, "quantize_in_loop"),
        ({"iterations": 0}, "iterations"),
        ({"optimizer": "lion"}, "optimizer"),
        ({"lr": float("inf")}, "lr"),
        ({"momentum": 1}, "momentum"),
        ({"average": 1.0}, "average"),
        ({"batch_real": 0}, "batch_real"),
        ({"network": "convnet"}, "network"),
        ({"network": {"width": 0}}, "network.width"),
        ({"seed": -1}, "seed"),
        ({"learning_rate": 1}, "learning_rate"),
    ],
)
def test_unusable_settings_are_named(settings, named):
    with pytest.raises(ArgumentError) as error:
        DistillConfig.from_json(settings)
    assert named in str(error.value)


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


@pytest.mark.parametrize("settings", [{"steps": 0}, {"protocol": "papers"}, {"seeds": 0}, {"lr": 0}, {"batch": 0}])
def test_unusable_evaluations_are_named(settings):
    with pytest.raises(ArgumentError, match=next(iter(settings))):
        EvaluationConfig(**settings)


def test_defaults_that_mean_nothing_to_the_objective_cost_no_bytes():
    assert not {"inner_loop", "pool", "syn_steps", "experts"} & DistillConfig(objective="dm").to_json().keys()
    assert {"iterations", "lr", "augmentation"} <= DistillConfig(objective="dm").to_json().keys()
    assert DistillConfig(inner_loop=3).to_json()["inner_loop"] == 3
    assert {"syn_steps", "batch_syn", "experts_digest"} <= DistillConfig(objective="tm").to_json().keys()
    assert "pool" in DistillConfig(objective="frepo").to_json()
