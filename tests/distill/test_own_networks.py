"""Modules that users bring, in evaluation, in distillation and on the command line."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from fredfmt import ArgumentError, encode, load
from fredfmt.cli.app import app
from fredfmt.distill import DistillationStopped, DistillConfig, EvaluationConfig, NetworkConfig, distill, evaluate
from fredfmt.distill.networks import load_factory, make_network, name_of
from fredfmt.distill.runtime.randomness import generator

QUICK = EvaluationConfig(steps=40, batch=32, augmentation="none", seeds=2, lr=0.1)
HERE = f"{__name__}:Perceptron"


class Perceptron(nn.Module):
    """One hidden layer, with dropout, which draws while it computes."""

    def __init__(self, channels, spatial_shape, classes):
        super().__init__()
        self.hidden = nn.Linear(channels * math.prod(spatial_shape), 24)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(24, classes)

    def embed(self, images):
        return self.dropout(self.hidden(images.flatten(1)).relu())

    def forward(self, images):
        return self.head(self.embed(images))


def plain(channels, spatial_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * math.prod(spatial_shape), classes))


def encoded(source, per_class):
    chosen = source.sample(per_class, seed=0)
    how = {"normalization": chosen.normalization, "classes": chosen.classes}
    return encode(chosen.normalized, chosen.labels, k=48, step=0.5, **how)


def test_evaluation_of_an_own_network(digits, digits_test):
    data = encoded(digits, 10)
    state = torch.get_rng_state()
    result = evaluate(data, digits_test, QUICK, network=Perceptron)
    assert torch.equal(torch.get_rng_state(), state)
    assert result.mean > 0.5
    assert result.accuracies[0] != result.accuracies[1]
    torch.manual_seed(7)
    assert evaluate(data, digits_test, QUICK, network=Perceptron).accuracies == result.accuracies
    document = result.to_json()
    assert document["network"] == {"name": HERE}
    assert document["parameters"] == 64 * 24 + 24 + 24 * 10 + 10
    assert EvaluationConfig.from_json({"network": document["network"]}).network.name == HERE


@pytest.mark.parametrize("objective", ["dm", "dsa"])
def test_distillation_with_an_own_network(patches, objective, tmp_path):
    own = {"outer_loop": 2} if objective == "dsa" else {}
    config = DistillConfig(objective=objective, k=20, ipc=0.3, iterations=4, batch_real=5, **own)
    state = torch.get_rng_state()
    data = distill(patches, config, network=Perceptron)
    assert torch.equal(torch.get_rng_state(), state)
    assert data.metadata.distillation["network"] == {"name": HERE}
    torch.manual_seed(3)
    assert distill(patches, config, network=Perceptron) == data
    assert distill(patches, replace(config, iterations=1), network=Perceptron) != data

    half = replace(config, iterations=2)
    distill(patches, half, network=Perceptron, checkpoint=tmp_path / "state")
    assert distill(patches, config, network=Perceptron, checkpoint=tmp_path / "state") == data
    with pytest.raises(ArgumentError, match="network differs"):
        distill(patches, config, checkpoint=tmp_path / "state")


def test_only_feature_matching_needs_embed(patches):
    config = DistillConfig(objective="dm", k=20, ipc=0.3, iterations=2, batch_real=5)
    with pytest.raises(ArgumentError, match=r"method embed.*dc, dsa"):
        distill(patches, config, network=plain)
    assert len(distill(patches, replace(config, objective="dc"), network=plain)) == 9


def test_the_mask_by_gradient_of_an_own_network(patches):
    config = DistillConfig(objective="dc", mask="gradient", k=20, ipc=0.3, iterations=1, batch_real=4)
    first = distill(patches, config, network=Perceptron)
    torch.manual_seed(5)
    np.testing.assert_array_equal(distill(patches, config, network=Perceptron).frequencies, first.frequencies)


def test_what_is_no_network_is_refused(digits, digits_test):
    data = encoded(digits, 3)
    with pytest.raises(ArgumentError, match=r"did not return a torch module.*expected an nn.Module, found int"):
        evaluate(data, digits_test, QUICK, network=lambda channels, shape, classes: 3)
    with pytest.raises(ArgumentError, match=r"one score per class.*found \(2, 11\)"):
        evaluate(data, digits_test, QUICK, network=lambda channels, shape, classes: plain(channels, shape, classes + 1))


def test_a_name_alone_runs_nothing(digits, digits_test):
    """A file or a setting may name a network; only a caller can hand one over."""
    named = NetworkConfig(name="os:abort")
    with pytest.raises(ArgumentError, match=r"os:abort.*network="):
        evaluate(encoded(digits, 3), digits_test, replace(QUICK, network=named))
    with pytest.raises(ArgumentError, match="os:abort"):
        distill(digits, DistillConfig(objective="dm", k=20, iterations=1, network=named))


def test_an_own_network_over_three_axes():
    network = make_network(
        NetworkConfig(), channels=2, spatial_shape=(5, 6, 7), classes=3, generator=generator(0, "x"), factory=Perceptron
    )
    assert network.training
    assert network(torch.zeros(4, 2, 5, 6, 7)).shape == (4, 3)


def test_names_of_factories(tmp_path, monkeypatch):
    (tmp_path / "brought.py").write_text(
        "class Maker:\n    def __call__(self, c, s, n): ...\nmake = Maker()\nword = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    made = load_factory("brought:make")
    assert name_of(made) == "brought:Maker"
    assert load_factory("brought:Maker.__call__") is type(made).__call__
    for wrong in ("brought:other", "no_such_module:make", ":make"):
        with pytest.raises(ArgumentError, match="no such network factory"):
            load_factory(wrong)
    with pytest.raises(ArgumentError, match="not a network factory"):
        load_factory("brought:word")


def test_on_the_command_line(tmp_path):
    out, again = tmp_path / "own.fred", tmp_path / "again.fred"

    def run(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)))

    result = run("distill", "digits", out, "--k", 32, "--iterations", 2, "--batch-real", 4, "--network", HERE)
    assert result.exit_code == 0, result.output
    assert load(out).metadata.distillation["network"] == {"name": HERE}
    refused = run("distill", "--from", out, again)
    assert "--network package.module:factory" in str(refused.exception)
    assert run("distill", "--from", out, again, "--network", HERE).exit_code == 0
    assert again.read_bytes() == out.read_bytes()
    options = ("--on", "digits", "--steps", 3, "--width", 8, "--seeds", 1, "--baselines", "none", "--json")
    rows = json.loads(run("evaluate", out, *options, "--network", HERE, "--network", "convnet").stdout)
    assert [row["result"]["network"]["name"] for row in rows] == [HERE, "convnet"]


def test_an_interrupted_run_keeps_the_global_state(patches):
    state = torch.get_rng_state()

    def stop(progress):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGINT)

    config = DistillConfig(objective="dm", k=20, ipc=0.3, iterations=20, batch_real=4)
    with pytest.raises(DistillationStopped):
        distill(patches, config, network=Perceptron, progress=stop)
    assert torch.equal(torch.get_rng_state(), state)
