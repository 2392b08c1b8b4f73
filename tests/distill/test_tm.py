"""Trajectory matching against plain training and a plain unroll, and as an objective of a run."""

import copy
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from typer.testing import CliRunner

import fredfmt
from fredfmt import ArgumentError
from fredfmt.cli.app import app
from fredfmt.distill import (
    DistillConfig,
    EvaluationConfig,
    ExpertConfig,
    Experts,
    FrequencySynset,
    NetworkConfig,
    distill,
    own_start,
    train_experts,
)
from fredfmt.distill.augment import draw_augmentation
from fredfmt.distill.networks import NETWORKS, make_network
from fredfmt.distill.objectives import Iteration, make_objective
from fredfmt.distill.objectives.real import RealImages
from fredfmt.distill.objectives.student import Moving, Step, trajectory_distance
from fredfmt.distill.run import Run
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.runtime.randomness import generator
from fredfmt.distill.synset.start import initial_data

NETWORK = NetworkConfig(width=4, depth=2)
EXPERTS = ExpertConfig(epochs=4, batch=8, lr=0.1, network=NETWORK, augmentation="none")


@pytest.fixture(scope="module")
def experts(patches, tmp_path_factory):
    path = tmp_path_factory.mktemp("experts")
    train_experts(patches, path, EXPERTS, count=3)
    return path


@pytest.fixture
def config(experts):
    return DistillConfig(
        objective="tm",
        experts=str(experts),
        network=NETWORK,
        ipc=0.4,
        k=29,
        iterations=7,
        step=None,
        max_start_epoch=3,
        syn_steps=5,
        lr_syn=0.03,
        augmentation="color_rotate",
    )


def network_of(seed=0, dtype=torch.float64, **settings):
    made = make_network(
        NETWORK.replace(**settings),
        channels=2,
        spatial_shape=(13, 17),
        classes=3,
        generator=generator(seed, "test"),
    )
    return made.to(dtype).requires_grad_(False)


def problem(dtype=torch.float64, instances=5, k=6, steps=3, batch=4):
    """Start, target, coefficients with their images' basis, scores of labels, logarithm of the rate, and steps."""
    chance = torch.Generator().manual_seed(3)
    start, target = (nn.utils.parameters_to_vector(network_of(seed, dtype).parameters()) for seed in (0, 1))
    basis = torch.randn(k, 2 * 13 * 17, generator=chance, dtype=dtype)
    coefficients = torch.randn(instances, k, generator=chance, dtype=dtype, requires_grad=True)
    scores = torch.randn(instances, 3, generator=chance, dtype=dtype, requires_grad=True)
    log_lr = torch.tensor(-2.0, dtype=dtype, requires_grad=True)
    seen = []
    for _ in range(steps):
        rows = torch.randperm(instances, generator=chance)[:batch]
        seen.append(Step(rows, draw_augmentation(("color", "rotate", "scale"), chance, images=len(rows))))
    return start, target, basis, (coefficients, scores, log_lr), seen


def images_of(coefficients, basis):
    return (coefficients @ basis).view(-1, 2, 13, 17)


def plain_training(network, moving, images, labels, rates, steps, momentum, decay):
    """All steps in one graph, parameter by parameter, with the formulas in the documentation of `torch.optim.SGD`."""
    module = copy.deepcopy(network)
    nn.utils.vector_to_parameters(moving.vector.clone(), module.parameters())
    student = {name: value.detach().requires_grad_() for name, value in module.named_parameters()}
    nn.utils.vector_to_parameters(moving.velocity.clone(), module.parameters())
    velocity = {name: value.detach() for name, value in module.named_parameters()}
    for step, rate in zip(steps, rates, strict=True):
        scores = functional_call(module, student, (step.augmentation(images[step.rows]),))
        loss = F.cross_entropy(scores, labels[step.rows])
        slopes = torch.autograd.grad(loss, list(student.values()), create_graph=True)
        for (name, value), slope in zip(student.items(), slopes, strict=True):
            gradient = slope + decay * value
            velocity[name] = momentum * velocity[name] + gradient
            student[name] = value - rate * (gradient + momentum * velocity[name])
    return tuple(torch.cat([value.flatten() for value in part.values()]) for part in (student, velocity))


def plain_unroll(network, start, target, images, labels, lr, steps):
    """The distance of trajectories, without momentum."""
    moving = Moving(start, torch.zeros_like(start))
    end, _ = plain_training(network, moving, images, labels, [lr] * len(steps), steps, momentum=0, decay=0)
    return ((end - target) ** 2).sum() / ((start - target) ** 2).sum()


def test_the_gradient_is_that_of_finite_differences():
    """To coefficients, soft labels and the learning rate."""
    _, _, basis, inputs, steps = problem(instances=3, k=4, batch=2)
    network = network_of(width=2)
    start, target = (nn.utils.parameters_to_vector(network_of(seed, width=2).parameters()) for seed in (0, 1))

    def distance(coefficients, scores, log_lr):
        images, labels = images_of(coefficients, basis), scores.softmax(1)
        return trajectory_distance(network, start, target, images, labels, log_lr.exp(), steps)

    assert torch.autograd.gradcheck(distance, inputs, eps=1e-6, atol=1e-7, rtol=1e-4)


def test_the_loss_is_that_of_plain_training():
    """Of a module in the hands of torch's own SGD, in float32 and through the fused layers."""
    start, target, basis, (coefficients, _, _), steps = problem(torch.float32, steps=4)
    labels = torch.tensor([0, 2, 1, 1, 0])
    images = images_of(coefficients.detach(), basis)
    found = trajectory_distance(
        network_of(dtype=torch.float32), start, target, images, labels, torch.tensor(0.1), steps
    )

    student = network_of(dtype=torch.float32).requires_grad_(True)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for step in steps:
        optimizer.zero_grad()
        F.cross_entropy(student(step.augmentation(images[step.rows])), labels[step.rows]).backward()
        optimizer.step()
    end = nn.utils.parameters_to_vector(student.parameters()).detach()
    expected = (end - target).square().sum() / (start - target).square().sum()
    torch.testing.assert_close(found, expected)
    assert abs(float(found) - 1) > 0.01


@pytest.mark.parametrize("name", sorted({*NETWORKS} - {"vgg11"}))  # which has larger images, and no other layers
def test_it_equals_the_plain_unroll(name):
    """Of every network, in float64."""
    shape = {"width": 8, "depth": 1} if name == "vit" else {"width": 4}
    shape |= {"depth": 1} if name == "convnet" else {}
    networks = [network_of(seed, name=name, **shape) for seed in (0, 1)]
    start, target = (nn.utils.parameters_to_vector(one.parameters()) for one in networks)
    _, _, basis, inputs, steps = problem(steps=2)

    def gradients(distance):
        coefficients, scores, log_lr = inputs
        images, labels = images_of(coefficients, basis), scores.softmax(1)
        value = distance(networks[0], start, target, images, labels, log_lr.exp(), steps)
        return value.detach(), *torch.autograd.grad(value, inputs)

    found = gradients(trajectory_distance)
    with sdpa_kernel(SDPBackend.MATH):  # torch has no second derivative of other attention
        wanted = gradients(plain_unroll)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_fused_layers_have_the_same_gradient():
    (start, target, basis, inputs, steps), network = problem(), network_of()
    value = plain_unroll(
        network, start, target, images_of(inputs[0], basis), inputs[1].softmax(1), inputs[2].exp(), steps
    )
    wanted = torch.autograd.grad(value, inputs)
    start, target, basis = start.float(), target.float(), basis.float()
    single = [value.detach().float().requires_grad_() for value in inputs]
    value = trajectory_distance(
        network.float(), start, target, images_of(single[0], basis), single[1].softmax(1), single[2].exp(), steps
    )
    for mine, theirs in zip(torch.autograd.grad(value, single), wanted, strict=True):
        torch.testing.assert_close(mine, theirs.float(), rtol=1e-3, atol=1e-5 * float(theirs.abs().max()))


def test_memory_holds_one_step():
    """No more scores of earlier steps are alive than one network call leaves behind."""
    scores, most = [], []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network_of()

        def forward(self, images):
            made = self.network(images)
            scores.append(weakref.ref(made))
            most.append(sum(one() is not None for one in scores))
            return made

    start, target, basis, inputs, steps = problem(steps=6)
    network = Watched()
    images = images_of(inputs[0], basis)
    value = trajectory_distance(network, start, target, images, inputs[1].softmax(1), inputs[2].exp(), steps)
    torch.autograd.grad(value, inputs)
    assert len(most) == 12
    assert max(most) == 1


def test_a_networks_own_draws_are_the_same_again(patches, tmp_path):
    """Dropout in the step that is computed once more; else the gradient would be of another student."""
    _, _, basis, inputs, steps = problem(steps=2)
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(2 * 13 * 17, 3)).double().requires_grad_(False)
    start = torch.randn(3 * 2 * 13 * 17 + 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    steps = [replace(step, seed=number) for number, step in enumerate(steps)]

    def distance(coefficients, log_lr):
        images, labels = images_of(coefficients, basis), torch.tensor([0, 1, 2, 0, 1])
        return trajectory_distance(network, start, start + 1, images, labels, log_lr.exp(), steps)

    assert torch.autograd.gradcheck(distance, (inputs[0], inputs[2]), rtol=1e-3)


def iteration_of(patches, config, number=0, operations=("crop",), **more):
    data = initial_data(patches, config)
    return Iteration(
        number=number,
        seed=config.seed,
        classes=3,
        channels=2,
        spatial_shape=(13, 17),
        synthetic=FrequencySynset.from_data(data),
        real=RealImages(patches),
        network_config=config.network,
        operations=operations,
        **more,
    )


def objective_of(config):
    made = make_objective(config)
    made.learned(torch.device("cpu"))
    return made


def test_segments_are_parts_of_the_experts_ways(patches, config, experts):
    objective, found = objective_of(config), set()
    rows = {
        Experts(experts).parameters(number, epoch).tobytes(): (number, epoch)
        for number in range(3)
        for epoch in range(5)
    }
    for number in range(60):
        start, target = objective.segment(iteration_of(patches, config, number), 0)
        of, epoch = rows[start.numpy().tobytes()]
        assert rows[target.numpy().tobytes()] == (of, epoch + 2)
        found.add((of, epoch))
    assert found == {(of, epoch) for of in range(3) for epoch in range(3)}


def test_a_step_has_as_many_of_every_class(patches, config):
    iteration = iteration_of(patches, config)  # three instances a class
    for count, expected in ((0, 3), (100, 3), (7, 2), (2, 1)):
        steps = objective_of(replace(config, batch_syn=count, syn_steps=6)).steps(iteration, 0)
        for step in steps:
            labels = iteration.synthetic.labels[step.rows].tolist()
            assert labels == sorted([0, 1, 2] * expected)
            assert len(step.augmentation.draws) == len(step.rows)
        if expected == 1:  # everything once before anything again
            rows = torch.stack([step.rows for step in steps])
            for half in (rows[:3], rows[3:]):
                assert half.flatten().unique().tolist() == list(range(9))


def test_segments_are_shared_over_processes(patches, config):
    config = replace(config, batch_experts=3)

    def loss(ranks):
        iteration = iteration_of(patches, config, ranks=ranks)
        (value,) = objective_of(config).losses(iteration)
        assert iteration.shared
        return value.detach()

    torch.testing.assert_close(sum(loss(Ranks(rank, 2)) for rank in range(2)), loss(Ranks()))
    with pytest.raises(ArgumentError, match="at most 3 processes"):
        loss(Ranks(0, 4))


def test_it_makes_the_loss_smaller(patches, config):
    config = replace(config, iterations=60, lr=0.3, lr_lr=0.05, average=0.8, augmentation="none")
    data = distill(patches, config)

    def loss(data, rate):
        config_ = replace(config, lr_syn=rate, seed=1)
        synset = FrequencySynset.from_data(data)
        values = []
        for number in range(8):
            iteration = replace(iteration_of(patches, config_, number, ()), synthetic=synset)
            values += [value.item() for value in objective_of(config_).losses(iteration)]
        return np.mean(values)

    rate = data.metadata.recipe["lr"]
    assert loss(data, rate) < 0.6 * loss(own_start(data, patches), rate) < loss(own_start(data, patches), config.lr_syn)


def test_the_file_says_at_what_rate_and_by_which_experts(patches, config, experts, tmp_path):
    fredfmt.save(distill(patches, config), tmp_path / "x.fred")
    meta = fredfmt.load(tmp_path / "x.fred").metadata
    assert meta.recipe["lr"] > 0
    assert meta.recipe["lr"] != pytest.approx(config.lr_syn, rel=1e-3)
    assert meta.distillation["objective"]["configuration"]["experts_digest"] == Experts(experts).digest
    assert str(experts) not in str(meta)
    assert EvaluationConfig(steps=7).following(meta.recipe) == EvaluationConfig(steps=7, lr=meta.recipe["lr"])
    with pytest.raises(ArgumentError, match="no learning rate"):
        EvaluationConfig().following({})
    kept = distill(patches, replace(config, lr_lr=0.0)).metadata.recipe["lr"]
    assert kept == pytest.approx(config.lr_syn, rel=1e-5)


def test_the_rate_stays_positive(patches, config):
    data = distill(patches, replace(config, optimizer="sgd", lr_lr=3.0, lr=0.1, average=0.0))
    assert data.metadata.recipe["lr"] > 0


@pytest.mark.parametrize("learn_labels", [False, True])
def test_going_on_gives_the_same_bits(patches, config, tmp_path, learn_labels):
    config = replace(config, learn_labels=learn_labels, batch_syn=6)
    whole = distill(patches, config)
    distill(patches, replace(config, iterations=4), checkpoint=tmp_path / "state")
    assert distill(patches, config, checkpoint=tmp_path / "state") == whole
    assert (whole.labels.dtype.kind == "f") == learn_labels


def test_experts_may_move_but_not_change(patches, config, experts, tmp_path):
    distill(patches, replace(config, iterations=4), checkpoint=tmp_path / "state")
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in experts.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    again = replace(config, experts=str(moved))
    assert distill(patches, again, checkpoint=tmp_path / "state") == distill(patches, config)
    distill(patches, replace(config, iterations=4), checkpoint=tmp_path / "state", resume=False)
    (moved / "expert-0002.h5").unlink()
    with pytest.raises(ArgumentError, match=r"different run: its objective\.experts_digest differs"):
        distill(patches, again, checkpoint=tmp_path / "state")


def test_experts_of_other_images_are_refused(patches, digits, config):
    with pytest.raises(ArgumentError, match="trained on images with different classes"):
        distill(digits, replace(config, ipc=1, k=8))
    with pytest.raises(ArgumentError, match="trained on images with different normalization"):
        distill(replace(patches, normalization=fredfmt.model.parts.Normalization((0, 0), (1, 1))), config)


def test_networks_of_ones_own_and_several_segments(patches, config, tmp_path):
    def own(channels, spatial_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels * 13 * 17, classes))

    train_experts(patches, tmp_path, EXPERTS, count=1, network=own)
    config = replace(config, experts=str(tmp_path), batch_experts=2, iterations=2)
    assert distill(patches, config, network=own) == distill(patches, config, network=own)


def test_an_iteration_stays_on_the_device_and_asks_for_no_number(patches, config):
    run = Run(patches, replace(config, batch_experts=2, learn_labels=True), "meta")
    for _ in range(2):
        run.step()
    moments = run.state.optimizer.state[run.state.synset.coefficients]
    assert moments["exp_avg"].device.type == "meta"
    assert run.state.memory.state()["log_lr"].device.type == "meta"


def test_the_command_repeats_a_run_with_the_same_experts(tmp_path):
    def fredfmt_(*words, status=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == status, (result.output, result.exception)
        return result

    few = ("digits", "--classes", "0,1")
    layers = ("--width", 3, "--depth", 2)
    fredfmt_("experts", few[0], tmp_path / "ex", *few[1:], "--count", 2, "--epochs", 2, *layers)
    settings = ("--objective", "tm", "--experts", tmp_path / "ex", "--max-start-epoch", 1, "--syn-steps", 2)
    budget = ("--ipc", 1, "--k", 16, "--iterations", 2)
    first, again = tmp_path / "first.fred", tmp_path / "again.fred"
    fredfmt_("distill", few[0], first, *few[1:], *settings, *budget, *layers)
    fredfmt_("distill", "--from", first, again, "--experts", tmp_path / "ex")
    assert again.read_bytes() == first.read_bytes()
    refused = fredfmt_("distill", "--from", first, tmp_path / "x.fred", status=1)
    assert "needs experts" in str(refused.exception) + refused.output
    (tmp_path / "ex" / "expert-0001.h5").unlink()
    refused = fredfmt_("distill", "--from", first, tmp_path / "x.fred", "--experts", tmp_path / "ex", status=1)
    assert "their digest differs" in str(refused.exception) + refused.output
    found = fredfmt_(
        "evaluate",
        first,
        "--on",
        "digits",
        "--lr",
        "recipe",
        "--steps",
        2,
        "--seeds",
        1,
        "--baselines",
        "none",
        *layers,
    )
    assert f"lr {fredfmt.load(first).metadata.recipe['lr']}," in " ".join(found.stdout.split())
    assert "unusable --lr" in str(fredfmt_("evaluate", first, "--on", "digits", "--lr", "x", status=1).exception)
