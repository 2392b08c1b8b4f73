"""What an update costs is bounded for many classes: objectives that see the classes in turn."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from test_dm import iteration_of

from fredfmt.distill import DistillConfig, FrequencySynset, NetworkConfig, distill
from fredfmt.distill.objectives import make_objective
from fredfmt.distill.synset.start import initial_data

CONFIG = DistillConfig(
    objective="dm",
    ipc=0.7,
    k=16,
    batch_real=5,
    iterations=2,
    augmentation="color_crop",
    network=NetworkConfig(width=4, depth=2),
)


@pytest.fixture(scope="module")
def synset(digits):
    return FrequencySynset.from_data(initial_data(digits, CONFIG))


@pytest.mark.parametrize(("count", "parts"), [(3, 4), (4, 3), (5, 2), (9, 2), (1, 10)])
def test_every_class_is_drawn_once_in_a_round(digits, synset, count, parts):
    drawn = [iteration_of(digits, synset, CONFIG, number).drawn_classes(count) for number in range(2 * parts)]
    assert all(list(some) == sorted(some) and len(some) <= count for some in drawn)
    assert max(map(len, drawn)) - min(map(len, drawn)) <= 1
    for each in (drawn[:parts], drawn[parts:]):
        assert Counter(label for some in each for label in some) == Counter(range(10))
    assert drawn[:parts] != drawn[parts:]
    again = [iteration_of(digits, synset, CONFIG, number) for number in range(parts)]
    assert [iteration.drawn_classes(count) for iteration in again] == drawn[:parts]
    assert [iteration.drawn_classes(count, 1) for iteration in again] != drawn[:parts]


@pytest.mark.parametrize("count", [0, 10, 20])
def test_all_classes_where_there_are_no_more(digits, synset, count):
    assert list(iteration_of(digits, synset, CONFIG, 3).drawn_classes(count)) == list(range(10))


@pytest.mark.parametrize("objective", ["dm", "dc", "dsa"])
def test_the_rounds_mean_is_the_sum_over_all_classes(digits, synset, objective, monkeypatch):
    """With the networks and images of one iteration."""
    config = replace(CONFIG, objective=objective, augmentation="none")

    def gradient(count, number):
        iteration = iteration_of(digits, synset, config, 0)
        drawn = iteration_of(digits, synset, config, number).drawn_classes(count)
        monkeypatch.setattr(iteration, "drawn_classes", lambda *asked: drawn)
        loss = next(make_objective(config).losses(iteration))
        return loss.detach(), *torch.autograd.grad(loss, list(synset.parameters()))

    parts = [gradient(5, number) for number in range(2)]
    for mean, whole in zip([sum(values) / 2 for values in zip(*parts, strict=True)], gradient(0, 0), strict=True):
        torch.testing.assert_close(mean, whole, rtol=1e-4, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("objective", ["dm", "dc", "dsa", "frepo"])
def test_an_update_is_of_the_drawn_classes_alone(digits, synset, objective):
    config = replace(CONFIG, objective=objective, batch_classes=3)
    iteration = iteration_of(digits, synset, config, 2)
    loss = next(make_objective(config).losses(iteration))
    (gradient,) = torch.autograd.grad(loss, [synset.coefficients])
    moved = gradient.flatten(1).abs().amax(1) > 0
    assert set(synset.labels[moved].tolist()) == set(iteration.drawn_classes(3))


@pytest.mark.parametrize("soft", [False, True])
def test_a_regression_of_some_classes_is_that_of_a_source_with_these_alone(digits, soft):
    """frepo, against a plain transcription that renumbers the classes."""
    config = replace(CONFIG, objective="frepo", batch_classes=4, learn_labels=soft)
    synset = FrequencySynset.from_data(initial_data(digits, config), learn_labels=soft)
    iteration = iteration_of(digits, synset, config, 1)
    objective = make_objective(config)
    loss = next(objective.losses(iteration))
    drawn = list(iteration.drawn_classes(4))
    assert len(drawn) == 3  # 10 classes in three parts
    network = next(
        network
        for network in map(iteration.network, range(config.pool))
        if torch.equal(network.head.weight, _drawn_network(objective, iteration, config).head.weight)
    )
    real, wanted = iteration.real_batch(config.batch_real, classes=drawn)
    rows = torch.cat([iteration.synthetic.indices_of(label) for label in drawn])
    given, asked = network.embed(synset.images(rows)).double(), network.embed(real).double()
    targets = (synset.labels if soft else F.one_hot(synset.labels, 10))[rows][:, drawn].double()
    kernel = given @ given.T
    kernel = kernel + 1e-3 * kernel.diagonal().mean() * torch.eye(len(rows), dtype=torch.float64)
    scores = 8 * asked @ given.T @ torch.linalg.solve(kernel, targets - 1 / 3)
    plain = F.cross_entropy(scores, torch.tensor([drawn.index(label) for label in wanted]))
    torch.testing.assert_close(loss.double(), plain, rtol=1e-4, atol=0)


def _drawn_network(objective, iteration, config):
    from fredfmt.distill.runtime.randomness import generator

    place = int(torch.randint(config.pool, (), generator=generator(iteration.seed, "member", iteration.number)))
    return iteration.network(place)


@pytest.mark.parametrize("objective", ["dm", "dc", "dsa", "frepo", "unroll"])
def test_runs_of_few_classes_are_what_they_were(digits, objective):
    """The setting changes nothing where there are no more classes than it says."""
    config = replace(CONFIG, objective=objective)
    assert config.batch_classes == 20
    new, old = (distill(digits, replace(config, batch_classes=count)) for count in (20, 0))
    assert (new.coefficients == old.coefficients).all()
    some = distill(digits, replace(config, batch_classes=4))
    assert (some.coefficients != old.coefficients).any()


def test_resumed_is_uninterrupted_where_classes_are_drawn(digits, tmp_path):
    config = replace(CONFIG, objective="frepo", batch_classes=3, iterations=7)
    whole = distill(digits, config)
    distill(digits, replace(config, iterations=4), checkpoint=tmp_path / "c")
    assert distill(digits, config, checkpoint=tmp_path / "c") == whole
