"""Micro-batches: loss and gradients are those of the undivided batch, whatever fits into memory."""

import math
import os
import platform
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_dm import iteration_of
from test_tm import images_of, network_of, problem
from torch import nn

from fredfmt.data.coding import encode_source
from fredfmt.distill import (
    DistillConfig,
    EvaluationConfig,
    ExpertConfig,
    FrequencySynset,
    NetworkConfig,
    distill,
    train_experts,
)
from fredfmt.distill.evaluation import protocol
from fredfmt.distill.evaluation.protocol import new_network, train
from fredfmt.distill.experts import training
from fredfmt.distill.experts.store import Experts
from fredfmt.distill.networks import NETWORKS, room
from fredfmt.distill.networks import training as steps
from fredfmt.distill.networks.room import EVERYTHING, Room, room_for
from fredfmt.distill.objectives import iteration as iterations
from fredfmt.distill.objectives import make_objective
from fredfmt.distill.objectives.frepo import regressed
from fredfmt.distill.objectives.student import trajectory_distance
from fredfmt.distill.run import Run, state
from fredfmt.distill.synset.start import initial_data

NETWORK = NetworkConfig(width=6, depth=2)
CONFIG = DistillConfig(ipc=0.6, k=23, batch_real=9, augmentation="color_crop_flip_rotate", network=NETWORK)


@pytest.fixture(scope="module")
def experts(patches, tmp_path_factory):
    path = tmp_path_factory.mktemp("experts")
    train_experts(patches, path, ExpertConfig(epochs=3, batch=8, network=NETWORK, augmentation="none"), count=1)
    return str(path)


def config_of(objective, experts, **settings):
    more = {"experts": experts, "syn_steps": 3, "max_start_epoch": 1} if objective == "tm" else {}
    if objective == "unroll":
        more = {"syn_steps": 3, "pool": 1}
    if objective in ("dc", "dsa"):
        more = {"outer_loop": 2, "inner_loop": 2, "lr_net": 0.1}
    return CONFIG.replace(objective=objective, **more, **settings)


def steps_of(source, config, fitting, monkeypatch, number=0):
    """Losses of an iteration with their gradients, what the objective remembers, and the sizes of the batches that went
    through a network."""
    monkeypatch.setattr(iterations, "room_for", lambda *given: fitting)
    synset = FrequencySynset.from_data(
        initial_data(source, config), learn_labels=getattr(config.objective_settings, "learn_labels", False)
    )
    objective, sizes = make_objective(config), []
    learned = list(synset.parameters())
    if config.objective == "tm":
        learned += objective.learned(torch.device("cpu"))[0]["params"]
    iteration = iteration_of(source, synset, config, number)
    make = iteration.network

    def watched(draw=0):
        network = make(draw)
        if config.objective == "frepo":  # the regression is ill-conditioned
            network.double()
        network.head.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
        embed = network.embed
        network.embed = lambda images: sizes.append(len(images)) or embed(images)
        return network

    iteration.network = watched
    if config.objective == "frepo":
        decode, read = synset.decode, iteration.real.images
        synset.decode = lambda *given: decode(*given).double()
        iteration.real.images = lambda rows: read(rows).double()
    found = []
    for loss in objective.losses(iteration):
        found.append((loss.detach(), *torch.autograd.grad(loss, learned)))
    state = objective.state() if hasattr(objective, "state") else {}
    return found, state, sizes


@pytest.mark.parametrize("learn_labels", [False, True])
@pytest.mark.parametrize("objective", ["dm", "dc", "dsa", "frepo", "tm", "unroll"])
def test_loss_and_gradients_are_those_of_the_undivided_batch(patches, experts, monkeypatch, objective, learn_labels):
    if learn_labels and objective in ("dm", "dc", "dsa"):
        pytest.skip("this objective has no gradient to labels")
    config = config_of(objective, experts, **({"learn_labels": True} if learn_labels else {}))
    fitting = Room(4, 3)
    whole, memory, large = steps_of(patches, config, EVERYTHING, monkeypatch)
    parts, same, small = steps_of(patches, config, fitting, monkeypatch)
    assert max(large) > 4
    assert max(small) <= fitting.most
    assert len(whole) == len(parts) == getattr(config.objective_settings, "outer_loop", 1)
    for mine, theirs in zip(parts, whole, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))
    for name, value in memory.items():
        torch.testing.assert_close(same[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("fitting", [Room(1, 1), Room(1, 3), replace(EVERYTHING, kept=100)])
def test_trajectories_in_float64(soft, fitting):
    start, target, basis, inputs, steps = problem(instances=7, batch=5)
    network = network_of()

    def gradients(room):
        labels = inputs[1].softmax(1) if soft else torch.tensor([0, 1, 2, 0, 1, 2, 1])
        images = images_of(inputs[0], basis)
        value = trajectory_distance(network, start, target, images, labels, inputs[2].exp(), steps, room=room)
        return value.detach(), *torch.autograd.grad(value, [inputs[0], inputs[2], *([inputs[1]] if soft else [])])

    for mine, theirs in zip(gradients(fitting), gradients(EVERYTHING), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


def test_graphs_of_steps_are_kept_if_there_is_room():
    """Then no step is computed twice."""
    start, target, basis, inputs, steps = problem(steps=6)
    network, calls = network_of(), []
    network.register_forward_hook(lambda *given: calls.append(given))
    for kept, expected in ((24, 6), (23, 12)):  # six steps of four images
        images, room = images_of(inputs[0], basis), replace(EVERYTHING, kept=kept)
        value = trajectory_distance(
            network, start, target, images, inputs[1].softmax(1), inputs[2].exp(), steps, room=room
        )
        torch.autograd.grad(value, inputs)
        assert len(calls) == expected
        calls.clear()


def test_the_two_forms_of_the_regression_are_one(monkeypatch):
    chance = torch.Generator().manual_seed(0)
    asked, given = (torch.randn(count, 5, generator=chance, dtype=torch.float64) for count in (4, 11))
    targets = F.one_hot(torch.arange(11) % 3).double() - 1 / 3
    by_instances = regressed(asked, given, targets)
    monkeypatch.setattr("fredfmt.distill.objectives.frepo.SMALL", 8)
    solved = []
    solve = torch.linalg.solve_ex
    monkeypatch.setattr(torch.linalg, "solve_ex", lambda kernel, wanted: solved.append(kernel) or solve(kernel, wanted))
    by_features = regressed(asked, given, targets)
    torch.testing.assert_close(by_features, by_instances, rtol=1e-10, atol=1e-12)
    assert solved[0].shape == (5, 5)


@pytest.mark.parametrize("name", sorted({*NETWORKS} - {"vgg11"}))
def test_less_room_for_larger_images(name):
    def fitting(side, graphs=1, device="cpu"):
        return room_for(NetworkConfig(name=name, width=8), None, 3, (side, side), 10, torch.device(device), graphs)

    assert fitting(32).most > fitting(64).most > fitting(128).most
    assert fitting(64, 4).most == pytest.approx(fitting(64).most / 4, abs=1)
    assert fitting(32).part <= 32 < fitting(32, device="cuda").part
    assert fitting(1024).part >= 1


def test_what_is_kept_is_what_torch_keeps():
    """Of a ConvNet: its input, what the convolution made, what norm and pooling keep and the features; no parameter."""
    network = network_of(dtype=torch.float32, width=4, depth=1)
    inside = 4 * 13 * 17
    kept = room.kept_for_gradient(network, torch.zeros(1, 2, 13, 17, requires_grad=True))
    assert 4 * (2 * 13 * 17 + inside) <= kept <= 4 * (2 * 13 * 17 + 3 * inside)


def test_a_batch_that_is_mixed_is_not_divided():
    def undivided(found):
        return len(found.parts(10**9)) == 1 and 0 < found.kept < 10**6

    assert undivided(room_for(NetworkConfig(norm="batch"), None, 3, (32, 32), 10, torch.device("cpu")))
    mixing = lambda channels, shape, classes: nn.Sequential(  # noqa: E731
        nn.BatchNorm2d(channels), nn.Flatten(), nn.Linear(channels * math.prod(shape), classes)
    )
    assert undivided(room_for(NetworkConfig(name="own:mixing"), mixing, 3, (32, 32), 10, torch.device("cpu")))


def test_draws_are_repeated_when_a_part_is_made_again():
    from fredfmt.distill.objectives.parts import remade

    values = torch.ones(4, 50, requires_grad=True)
    torch.manual_seed(0)
    made = remade(values, [slice(0, 2), slice(2, 4)], lambda part, where: (F.dropout(part, 0.5),))
    dropped = torch.cat([each for (each,) in made])
    after = torch.rand(())
    (gradient,) = torch.autograd.grad(dropped.sum(), values)
    assert torch.equal(gradient, dropped)
    torch.manual_seed(0)
    for part in (values[:2], values[2:]):
        F.dropout(part, 0.5)
    assert torch.equal(torch.rand(()), after)


FAULTS = """
import resource, sys, torch
from fredfmt.distill.runtime.memory import keep_freed_memory
torch.set_num_threads(1)
print(keep_freed_memory() if sys.argv[1] == "keep" else None)
if sys.argv[1] == "train":
    from fredfmt import encode
    from fredfmt.distill import EvaluationConfig
    from fredfmt.distill.evaluation.protocol import train
    def flat(*shape):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    protocol = EvaluationConfig(steps=1, batch=2, augmentation="none", network="own:flat")
    data = encode(torch.ones(2, 1, 2, 2).numpy(), [0, 1], k=1, mask="low")
    train(flat(), data, torch.tensor([0, 1]), protocol, seed=0, factory=flat)
def step():
    for _ in range(20):
        torch.empty(5_000_000).fill_(1.0)
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_freed_memory_is_found_again():
    def faults(how, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True, env=kept | environment
        )
        kept, count = done.stdout.split()
        return kept, int(count)

    kept, count = faults("keep")
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    assert count < 200
    assert faults("train")[1] < 200
    assert faults("keep", MALLOC_ARENA_MAX="2")[0] == "False"


RETURNED = """
import torch
from fredfmt.distill.runtime.memory import keep_freed_memory, return_freed_memory
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
keep_freed_memory()
many = [torch.ones(1_000_000) for _ in range(50)]
full = resident()
del many
kept = resident()
return_freed_memory()
print(full - kept, kept - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc returns memory when asked")
def test_freed_memory_is_returned_when_asked():
    done = subprocess.run([sys.executable, "-c", RETURNED], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < 20e6, "it was kept"
    assert after > 150e6


MADE = []


class Linear(nn.Module):
    """The pixels as features, and a linear layer."""

    def __init__(self, channels, spatial_shape, classes):
        super().__init__()
        self.head = nn.Linear(channels * math.prod(spatial_shape), classes)
        MADE.append(self)

    def embed(self, images):
        return images.flatten(1)

    def forward(self, images):
        return self.head(self.embed(images))


def test_gradients_are_freed_after_an_update(digits):
    config = CONFIG.replace(objective="frepo", k=16, pool=3, network=f"{__name__}:Linear")
    run = Run(digits, config, "cpu", Linear)
    for _ in range(6):
        run.step()
    assert len(MADE) > 3
    assert all(value.grad is None for value in [*run.state.learned, *(w for one in MADE for w in one.parameters())])


def trained(data):
    """The parameters of a network after three steps on ``data``, and the sizes of its batches."""
    config = EvaluationConfig(steps=3, batch=8, augmentation="color_crop_flip_rotate", network=NETWORK)
    network, sizes = new_network(data.metadata, config, 0, "cpu").double(), []
    network.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])) or (given[0].double(),))
    train(network, data, torch.tensor(data.labels, dtype=torch.int64), config, seed=0)
    return list(network.parameters()), sizes


def test_training_on_parts_of_a_batch_is_training_on_the_batch(patches, monkeypatch):
    data = encode_source(patches, k=30)
    whole, large = trained(data)
    monkeypatch.setattr(protocol, "room_for", lambda *given: Room(most=7, part=3))
    parts, small = trained(data)
    assert (large, small) == ([8] * 3, [3, 3, 2] * 3)
    torch.testing.assert_close(parts, whole, rtol=1e-6, atol=1e-9)


def test_experts_that_are_trained_on_parts_of_batches_are_the_same(patches, tmp_path, monkeypatch):
    config = ExpertConfig(epochs=2, batch=8, network=NETWORK, augmentation="color_crop_flip")
    train_experts(patches, tmp_path / "whole", config, count=1)
    monkeypatch.setattr(training, "room_for", lambda *given: Room(most=7, part=3))
    train_experts(patches, tmp_path / "parts", config, count=1)
    whole, parts = (Experts(tmp_path / name).parameters(0, 2) for name in ("whole", "parts"))
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert not np.array_equal(parts, whole)


def test_images_that_would_take_too_much_memory_are_decoded_batch_by_batch(patches, monkeypatch):
    data, rows = encode_source(patches, k=30), []
    decode = steps.decode
    monkeypatch.setattr(steps, "decode", lambda *given, **how: rows.append(given[1:]) or decode(*given, **how))
    at_once, _ = trained(data)
    assert rows == [()]
    rows.clear()
    monkeypatch.setattr(steps, "HELD_BYTES", 4 * data.metadata.channels * 13 * 17 * len(data) - 1)
    by_batch, _ = trained(data)
    assert [len(given[0]) for given in rows] == [8] * 3
    torch.testing.assert_close(by_batch, at_once, rtol=1e-5, atol=1e-6)


def test_a_fused_optimizer_learns_the_same(digits, monkeypatch):
    config = DistillConfig(objective="dm", ipc=0.5, k=16, iterations=4, batch_real=4, network=NETWORK)
    expected = distill(digits, config)
    adam, fused = torch.optim.Adam, []
    monkeypatch.setattr(torch.optim, "Adam", lambda *groups, **how: fused.append(how["fused"]) or adam(*groups, **how))
    monkeypatch.setattr(state, "FUSED_FROM", 1)
    np.testing.assert_allclose(distill(digits, config).coefficients, expected.coefficients, atol=1e-5)
    assert fused == [True]
