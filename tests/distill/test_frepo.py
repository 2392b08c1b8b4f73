from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_dm import iteration_of, plain_embedding

import fredfmt
from fredfmt import ArgumentError, decode
from fredfmt.distill import DistillConfig, FrequencySynset, NetworkConfig, distill
from fredfmt.distill.objectives import make_objective
from fredfmt.distill.synset import START_SHARE, sixteenths
from fredfmt.distill.synset.start import initial_data
from fredfmt.storage.files import packed_size

CONFIG = DistillConfig(
    objective="frepo",
    ipc=0.5,
    k=37,
    batch_real=6,
    pool=3,
    pool_age=4,
    iterations=12,
    step=None,
    network=NetworkConfig(width=6, depth=2),
)


def first_loss(source, synset, config, teacher=None):
    """The first loss, and the network it is of."""
    iteration = replace(iteration_of(source, synset, config, 0), teacher=teacher)
    objective = make_objective(config)
    loss = next(objective.losses(iteration))
    chance = fredfmt.distill.runtime.randomness.generator(config.seed, "member", 0)
    place = int(torch.randint(config.pool, (), generator=chance))
    return loss, iteration.network(place), iteration


def unsure(images):
    """A teacher of three classes."""
    return images.flatten(1)[:, :3].softmax(1)


@pytest.mark.parametrize(("soft", "teacher"), [(False, None), (True, None), (False, unsure), (True, unsure)])
def test_loss_and_gradients_equal_a_plain_regression(patches, soft, teacher):
    synset = FrequencySynset.from_data(initial_data(patches, CONFIG), learn_labels=soft)
    loss, network, iteration = first_loss(patches, synset, replace(CONFIG, learn_labels=soft), teacher)
    learnt = list(synset.parameters())
    assert len(learnt) == 1 + soft
    gradients = torch.autograd.grad(loss, learnt)

    real, wanted = iteration.real_batch(CONFIG.batch_real)
    rows = iteration.synthetic_rows()
    given = plain_embedding(network, synset.images(rows)).double()
    asked = plain_embedding(network, real).double()
    targets = synset.labels[rows] if soft else F.one_hot(synset.labels[rows], 3)
    kernel = given @ given.T
    kernel = kernel + 1e-3 * kernel.diagonal().mean() * torch.eye(len(rows), dtype=torch.float64)
    scores = asked @ given.T @ torch.linalg.inv(kernel) @ (targets.double() - 1 / 3)
    plain = F.cross_entropy(8 * scores, wanted if teacher is None else teacher(real).double())
    torch.testing.assert_close(loss.double(), plain, rtol=1e-4, atol=0)
    for mine, theirs in zip(gradients, torch.autograd.grad(plain, learnt), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("batch_classes", [0, 1, 2])
def test_a_teacher_that_is_sure_is_as_good_as_the_classes(patches, batch_classes):
    classes = {image.tobytes(): label for image, label in zip(patches.normalized[:], patches.labels, strict=True)}

    def sure(images):
        return F.one_hot(torch.tensor([classes[image.numpy().tobytes()] for image in images]), 3).float()

    config = replace(CONFIG, batch_classes=batch_classes)
    synset = FrequencySynset.from_data(initial_data(patches, config))
    taught, untaught = (first_loss(patches, synset, config, teacher)[0] for teacher in (sure, None))
    torch.testing.assert_close(taught, untaught)
    assert torch.isfinite(first_loss(patches, synset, config, lambda images: 0 * sure(images))[0])


def test_instances_are_drawn_alike_from_every_class(patches):
    synset = FrequencySynset.from_data(initial_data(patches, replace(CONFIG, ipc=0.8)))
    iteration = iteration_of(patches, synset, CONFIG, 0)
    assert sorted(iteration.synthetic_rows()) == list(range(len(synset)))
    assert np.bincount(synset.labels[iteration.synthetic_rows(7)]).tolist() == [2, 2, 2]


def test_networks_are_trained_and_make_way(patches):
    synset = FrequencySynset.from_data(initial_data(patches, CONFIG))
    objective, ages = make_objective(CONFIG), []
    before = None
    for number in range(30):
        for _ in objective.losses(iteration_of(patches, synset, CONFIG, number)):
            pass
        state = objective.state()
        ages.append([int(state[f"{place}.age"]) for place in range(CONFIG.pool)])
        if number:
            trained = [place for place in range(3) if ages[-1][place] != ages[-2][place]]
            assert len(trained) == 1
            names = [name for name in state if name.startswith(f"{trained[0]}.network.")]
            assert any(not torch.equal(state[name], before[name]) for name in names)
        before = {name: value.clone() for name, value in state.items()}
    assert np.max(ages) == CONFIG.pool_age - 1
    assert np.min(ages[15:]) == 0


@pytest.mark.parametrize("soft", [False, True])
def test_resumed_is_uninterrupted_bit_for_bit(patches, tmp_path, soft):
    config = replace(CONFIG, learn_labels=soft)
    whole = distill(patches, config)
    distill(patches, replace(config, iterations=7), checkpoint=tmp_path / "c")
    assert distill(patches, config, checkpoint=tmp_path / "c") == whole
    assert distill(patches, replace(config, iterations=7)) != whole


def test_learnt_labels_are_stored_in_sixteenths(digits, tmp_path):
    data = distill(digits, replace(CONFIG, k=16, learn_labels=True, lr_labels=0.3, step=0.25, iterations=20))
    fredfmt.save(data, tmp_path / "x.fred")
    read = fredfmt.load(tmp_path / "x.fred")
    assert read.soft
    assert read.labels.dtype == np.float16
    np.testing.assert_array_equal(read.labels * 16 % 1, 0)
    np.testing.assert_array_equal(read.labels.sum(axis=1), 1)
    assert len(np.unique(read.labels)) > 4
    assert fredfmt.validate(tmp_path / "x.fred").valid


def test_labels_start_from_the_hard_ones(patches):
    start = initial_data(patches, CONFIG)
    labels = FrequencySynset.from_data(start, learn_labels=True).labels
    torch.testing.assert_close(labels.amax(1), torch.full((len(start),), START_SHARE))
    torch.testing.assert_close(labels.sum(1), torch.ones(len(start)))
    assert labels.argmax(1).tolist() == start.labels.tolist()


def test_sixteenths_are_the_nearest_that_sum_to_one():
    shares = np.random.default_rng(0).dirichlet(np.full(7, 0.3), 50)
    rounded = sixteenths(shares).astype(float)
    np.testing.assert_array_equal(rounded.sum(axis=1), 1)
    assert np.abs(rounded - shares).max() < 1 / 16
    np.testing.assert_array_equal(sixteenths(rounded), rounded)


@pytest.mark.parametrize("objective", ["dm", "dc", "dsa"])
def test_objectives_without_a_gradient_to_labels_do_not_learn_them(patches, objective):
    with pytest.raises(ArgumentError, match=r"learn_labels.*frepo"):
        distill(patches, replace(CONFIG, objective=objective, learn_labels=True))


def test_rate_makes_coefficients_small_and_files_with_them(patches):
    plain = replace(CONFIG, objective="dm", iterations=40, step=0.5, augmentation="none")
    sizes = [packed_size(distill(patches, replace(plain, rate=rate))) for rate in (0.0, 100.0)]
    assert sizes[1] < 0.95 * sizes[0]
    with pytest.raises(ArgumentError, match=r"step.*rate"):
        replace(plain, rate=1.0, step=None)


def test_a_base_changes_the_storage_and_not_the_images(patches):
    with_base, without = (distill(patches, replace(CONFIG, base=base, step=0.01)) for base in (True, False))
    assert with_base.base.shape == (3, 2, 37)
    assert without.base is None
    assert np.abs(with_base.coefficients).mean() < np.abs(without.coefficients).mean()
    torch.testing.assert_close(decode(with_base), decode(without), atol=0.2, rtol=0)
