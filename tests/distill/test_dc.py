"""Gradient matching against a plain transcription of its equations: one class, one layer, one output at a time."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch
import torch.nn.functional as F

from fredfmt.distill import DistillConfig, FrequencySynset, NetworkConfig, distill
from fredfmt.distill.augment import operations
from fredfmt.distill.objectives import Iteration, make_objective
from fredfmt.distill.objectives.dc import gradient_distance
from fredfmt.distill.objectives.real import RealImages
from fredfmt.distill.synset.start import initial_data

CONFIG = DistillConfig(
    objective="dc", ipc=0.5, k=37, batch_real=9, network=NetworkConfig(width=6, depth=2), augmentation="color_crop_flip"
)


def iteration_of(source, synset, config, number=0):
    return Iteration(
        number=number,
        seed=config.seed,
        classes=len(source.classes),
        channels=source.channels,
        spatial_shape=source.spatial_shape,
        synthetic=synset,
        real=RealImages(source),
        network_config=config.network,
        operations=operations(config.augmentation),
    )


def plain_distance(mine, theirs):
    total = 0
    for left, right in zip(mine, theirs, strict=True):
        for row in range(left.shape[0]):
            a, b = left[row].reshape(-1), right[row].reshape(-1)
            total = total + 1 - (a @ b) / (a.norm() * b.norm() + 1e-6)
    return total


def decoded(start):
    """Dense spectra as a leaf, and the images they give by SciPy's matrices."""
    matrices = [torch.tensor(scipy.fft.idct(np.eye(n), axis=0, norm="ortho"), dtype=torch.float32) for n in (13, 17)]
    dense = torch.zeros(len(start), 2, 13 * 17)
    for i, mask in enumerate(start.mask_of):
        dense[i, :, start.frequencies[mask].astype(int)] = torch.from_numpy(start.coefficients[i].copy())
    dense.requires_grad_()
    return dense, torch.einsum("yu,ncuv,xv->ncyx", matrices[0], dense.reshape(-1, 2, 13, 17), matrices[1])


@pytest.mark.parametrize("objective", ["dc", "dsa"])
@pytest.mark.parametrize("number", range(3))
def test_loss_and_gradient_equal_a_plain_loop(patches, objective, number):
    config = replace(CONFIG, objective=objective)
    start = initial_data(patches, config)
    synset = FrequencySynset.from_data(start)
    iteration = iteration_of(patches, synset, config, number)
    (loss,) = make_objective(config).losses(iteration)
    loss.backward(inputs=list(synset.parameters()))

    dense, images = decoded(start)
    network, (real, labels) = iteration.network(), iteration.real_batch(9)
    weights = [weight for name, weight in network.named_parameters() if name.endswith("weight") and weight.ndim > 1]
    assert len(weights) == 3
    expected = 0
    for label in range(3):
        mine, theirs = images[torch.from_numpy(start.labels == label)], real[labels == label]
        if objective == "dsa":
            mine, theirs = iteration.augmentation(label)(mine), iteration.augmentation(label)(theirs)
        targets = [torch.full((len(batch),), label) for batch in (mine, theirs)]
        wanted = torch.autograd.grad(F.cross_entropy(network(theirs), targets[1]), weights)
        given = torch.autograd.grad(F.cross_entropy(network(mine), targets[0]), weights, create_graph=True)
        expected = expected + plain_distance(given, wanted)
    expected.backward(inputs=[dense])
    kept = torch.from_numpy(start.frequencies[start.mask_of].astype(np.int64))[:, None].expand(-1, 2, -1)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)
    gradient = dense.grad.gather(2, kept)
    assert (synset.coefficients.grad - gradient).norm() <= 1e-4 * gradient.norm()


def test_the_distance_of_equal_and_opposite_gradients():
    one = [torch.randn(4, 3, 2, 2), torch.randn(5, 7)]
    assert gradient_distance(one, one) == pytest.approx(0, abs=1e-4)
    assert gradient_distance([-part for part in one], one) == pytest.approx(2 * 9, rel=1e-5)


def test_the_inner_loop_trains_the_network_on_the_synthetic_set(patches):
    config = replace(CONFIG, outer_loop=3, inner_loop=4, lr_net=0.1)
    synset = FrequencySynset.from_data(initial_data(patches, config))
    iteration = iteration_of(patches, synset, config)
    plain = [loss.item() for loss in make_objective(config).losses(iteration)]
    untrained = [loss.item() for loss in make_objective(replace(config, inner_loop=0)).losses(iteration)]
    assert len(plain) == len(untrained) == 3
    assert plain[0] == untrained[0]
    assert plain[1:] != untrained[1:]
    again = [loss.item() for loss in make_objective(config).losses(iteration)]
    assert plain == again


def test_matching_brings_the_gradients_together(patches):
    config = replace(CONFIG, objective="dsa", iterations=25, lr=0.1, step=None, batch_real=14)
    synset = FrequencySynset.from_data(initial_data(patches, config))
    learnt = FrequencySynset.from_data(distill(patches, config))
    before, after = (
        np.mean(
            [next(make_objective(config).losses(iteration_of(patches, s, config, n))).item() for n in range(90, 96)]
        )
        for s in (synset, learnt)
    )
    assert after < 0.9 * before
