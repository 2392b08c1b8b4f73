"""Unrolled training: against plain loops of torch, its pool, its targets, and that a run can be resumed."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_dm import iteration_of
from test_tm import images_of, network_of, plain_training, problem
from torch import nn

from fredfmt import ArgumentError
from fredfmt.distill import (
    DistillConfig,
    EvaluationConfig,
    FrequencySynset,
    NetworkConfig,
    distill,
    evaluate,
    own_start,
)
from fredfmt.distill.networks.room import EVERYTHING, Room
from fredfmt.distill.networks.training import share_of_rate
from fredfmt.distill.objectives import make_objective
from fredfmt.distill.objectives.student import Moving, Parameters, trained
from fredfmt.distill.run import Run
from fredfmt.distill.synset.start import initial_data

CONFIG = DistillConfig(
    objective="unroll",
    ipc=0.5,
    k=37,
    batch_real=6,
    syn_steps=3,
    pool=2,
    pool_age=7,
    iterations=8,
    step=None,
    augmentation="color_crop",
    network=NetworkConfig(width=6, depth=2),
)
RATES = torch.tensor([0.3, 0.1, 0.2], dtype=torch.float64)


@pytest.mark.parametrize("fitting", [EVERYTHING, replace(EVERYTHING, kept=100), Room(1, 3), Room(1, 1)])
@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.01), (0.5, 0.0), (0.0, 0.02), (0.0, 0.0)])
def test_a_student_is_trained_as_plain_loops_train_it(fitting, momentum, decay):
    """Also its derivatives, of both parameters and velocity, to images, labels and learning rates."""
    start, target, basis, inputs, steps = problem(instances=7, batch=5)
    network, moving = network_of(), Moving(start, 0.1 * target)
    rates = RATES.clone().requires_grad_()
    learned = [*inputs[:2], rates]
    weights = torch.randn(2, len(start), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weights = weights if momentum else weights * torch.tensor([[1.0], [0.0]])  # without momentum there is no velocity

    def found(train):
        end = train(images_of(inputs[0], basis), inputs[1].softmax(1))
        value = (torch.stack(list(end)) * weights).sum()
        return value.detach(), *torch.autograd.grad(value, learned)

    how = {"momentum": momentum, "decay": decay}
    mine = found(lambda images, labels: trained(network, moving, images, labels, rates, steps, room=fitting, **how))
    plain = found(lambda images, labels: plain_training(network, moving, images, labels, rates, steps, **how))
    for one, other in zip(mine, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_a_student_takes_the_steps_of_sgd():
    start, _, basis, inputs, steps = problem(instances=7, batch=5)
    images, labels = images_of(inputs[0], basis).detach(), inputs[1].softmax(1).detach()
    network = network_of().requires_grad_(True)
    nn.utils.vector_to_parameters(start.clone(), network.parameters())
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.9, weight_decay=5e-4, nesterov=True)
    for step, rate in zip(steps, RATES.tolist(), strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        F.cross_entropy(network(step.augmentation(images[step.rows])), labels[step.rows]).backward()
        optimizer.step()
    moving = Moving(start, torch.zeros_like(start))
    end = trained(network_of(), moving, images, labels, RATES, steps, momentum=0.9, decay=5e-4)
    torch.testing.assert_close(end.vector, nn.utils.parameters_to_vector(network.parameters()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("teacher", [None, lambda images: images.flatten(1)[:, :3].softmax(1)])
def test_the_loss_is_that_of_real_images_after_the_steps(patches, teacher):
    config = replace(CONFIG, pool=1)
    synset = FrequencySynset.from_data(initial_data(patches, config), learn_labels=True)
    iteration = replace(iteration_of(patches, synset, config, 0), teacher=teacher)
    objective = make_objective(config)
    losses = objective.losses(iteration)
    loss = next(losses)
    (gradient,) = torch.autograd.grad(loss, synset.coefficients)
    assert gradient.abs().max() > 0
    assert next(losses, None) is None
    end = objective.state()["0.vector"]
    real, wanted = iteration.real_batch(config.batch_real)
    scores = Parameters(iteration.network())(end, real)
    plain = F.cross_entropy(scores, wanted if teacher is None else teacher(real))
    torch.testing.assert_close(loss, plain)


def test_networks_have_different_ages_from_the_first_update_on(patches):
    synset = FrequencySynset.from_data(initial_data(patches, CONFIG))
    objective, ages = make_objective(CONFIG), []
    for number in range(16):
        for _ in objective.losses(iteration_of(patches, synset, CONFIG, number)):
            pass
        state = objective.state()
        ages.append([int(state[f"{place}.age"]) for place in range(2)])
    assert sorted(ages[0]) in ([0, 6], [3, 3])
    assert np.max(ages) == 6
    assert all(sum(now) - sum(before) in (3, -6) for before, now in pairwise(ages))


@pytest.mark.parametrize("soft", [False, True])
def test_resumed_is_uninterrupted_bit_for_bit(patches, tmp_path, soft):
    config = replace(CONFIG, learn_labels=soft, **({"teacher_steps": 3, "teacher_width": 4} if soft else {}))
    whole = distill(patches, config)
    distill(patches, replace(config, iterations=5), checkpoint=tmp_path / "c")
    assert distill(patches, config, checkpoint=tmp_path / "c") == whole
    assert distill(patches, replace(config, iterations=5)) != whole


def test_a_run_gives_its_teacher(patches):
    run = Run(patches, replace(CONFIG, teacher_steps=3, teacher_width=4), "cpu")
    teacher = run.iteration(0, run.state.synset).teacher
    found = teacher(torch.from_numpy(patches.normalized[:5]))
    assert found.shape == (5, 3)
    torch.testing.assert_close(found.sum(1), torch.ones(5))
    assert run.recognition is not None
    assert Run(patches, CONFIG, "cpu").iteration(0, run.state.synset).teacher is None


def test_compiled_networks_are_refused():
    with pytest.raises(ArgumentError, match="unrolled training needs second derivatives"):
        make_objective(replace(CONFIG, compile=True))


def test_the_learning_rate_rises_and_falls():
    shares = [share_of_rate(step, 1000) for step in range(1000)]
    assert max(shares) == shares[99] == 1
    assert np.all(np.diff(shares[:99]) > 0)
    assert np.all(np.diff(shares[100:]) < 0)
    assert shares[0] == pytest.approx(0.01)
    assert 0 < shares[-1] < 0.002


def test_images_that_were_learned_teach_networks_more(digits, digits_test):
    config = replace(CONFIG, ipc=1, k=32, batch_real=20, syn_steps=8, pool=4, pool_age=80, iterations=60, lr=0.03)
    config = config.replace(augmentation="none", network={"width": 16, "depth": 2})
    data = distill(digits, config)
    protocol = EvaluationConfig(steps=150, seeds=3, network=config.network, augmentation="none")
    learned, start = (evaluate(one, digits_test, protocol).mean for one in (data, own_start(data, digits)))
    assert learned > start + 0.05
