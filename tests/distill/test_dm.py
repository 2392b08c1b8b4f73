import numpy as np
import pytest
import scipy.fft
import torch
import torch.nn.functional as F

from fredfmt import ArgumentError
from fredfmt.distill import DistillConfig, FrequencySynset, NetworkConfig
from fredfmt.distill.augment import operations
from fredfmt.distill.objectives import Iteration, make_objective
from fredfmt.distill.objectives.real import RealImages
from fredfmt.distill.synset.start import initial_data

CONFIG = DistillConfig(
    objective="dm",
    ipc=0.5,
    k=37,
    batch_real=9,
    network=NetworkConfig(width=6, depth=2),
    augmentation="color_crop_cutout_flip_scale",
)


def iteration_of(source, synset, config, number):
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


def plain_embedding(network, images):
    x = images
    for layer in network.features:
        if isinstance(layer, torch.nn.Conv2d):
            x = F.conv2d(x, layer.weight.detach(), layer.bias.detach(), padding=layer.padding)
        elif isinstance(layer, torch.nn.GroupNorm):
            x = F.instance_norm(x, eps=layer.eps)
        elif isinstance(layer, torch.nn.ReLU):
            x = x.relu()
        else:
            x = F.avg_pool2d(x, 2)
    return x.flatten(1)


@pytest.mark.parametrize("number", range(6))
def test_loss_and_gradient_equal_a_loop_over_classes(patches, number):
    start = initial_data(patches, CONFIG)
    synset = FrequencySynset.from_data(start)
    iteration = iteration_of(patches, synset, CONFIG, number)
    (loss,) = make_objective(CONFIG).losses(iteration)
    loss.backward()

    matrices = [torch.tensor(scipy.fft.idct(np.eye(n), axis=0, norm="ortho"), dtype=torch.float32) for n in (13, 17)]
    dense = torch.zeros(len(synset), 2, 13 * 17)
    for i, mask in enumerate(start.mask_of):
        dense[i, :, start.frequencies[mask].astype(int)] = torch.from_numpy(start.coefficients[i].copy())
    dense.requires_grad_()
    network, augmentation = iteration.network(), iteration.augmentation()
    real, labels = iteration.real_batch(9)
    expected = torch.zeros(())
    for label in range(3):
        spectra = dense[start.labels == label].reshape(-1, 2, 13, 17)
        synthetic = torch.einsum("yu,ncuv,xv->ncyx", matrices[0], spectra, matrices[1])
        mine = plain_embedding(network, augmentation(synthetic)).mean(0)
        theirs = plain_embedding(network, augmentation(real[labels == label])).mean(0)
        expected = expected + ((mine - theirs) ** 2).sum()
    expected.backward()
    kept = torch.from_numpy(start.frequencies[start.mask_of].astype(np.int64))[:, None].expand(-1, 2, -1)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)
    gradient = dense.grad.gather(2, kept)
    assert (synset.coefficients.grad - gradient).norm() <= 1e-4 * gradient.norm()


def test_real_batches_have_each_class_equally_and_no_image_twice(patches):
    iteration = iteration_of(patches, FrequencySynset.from_data(initial_data(patches, CONFIG)), CONFIG, 3)
    images, labels = iteration.real_batch(11)
    assert labels.bincount().tolist() == [11, 11, 7]  # the last class has seven images
    known = torch.from_numpy(patches.normalized[:])
    found = [int((known == image).flatten(1).all(1).nonzero()) for image in images]
    assert len(set(found)) == 29
    assert patches.labels[found].tolist() == labels.tolist()


def test_draws_depend_on_seed_iteration_and_purpose(patches):
    synset = FrequencySynset.from_data(initial_data(patches, CONFIG))
    first, same, other = (iteration_of(patches, synset, CONFIG, number) for number in (3, 3, 4))
    assert torch.equal(first.real_batch(5)[0], same.real_batch(5)[0])
    assert not torch.equal(first.real_batch(5)[0], other.real_batch(5)[0])
    assert torch.equal(first.network().head.weight, same.network().head.weight)
    assert not torch.equal(first.network().head.weight, other.network().head.weight)
    assert not torch.equal(first.network().head.weight, first.network(draw=1).head.weight)


def test_the_network_is_not_trained(patches):
    synset = FrequencySynset.from_data(initial_data(patches, CONFIG))
    (loss,) = make_objective(CONFIG).losses(iteration_of(patches, synset, CONFIG, 0))
    assert torch.autograd.grad(loss, list(synset.parameters()))[0].abs().max() > 0
    assert [name for name, value in synset.named_parameters() if value.requires_grad] == ["coefficients"]


def test_unknown_objectives_are_refused():
    with pytest.raises(ArgumentError, match="dm"):
        make_objective(DistillConfig(objective="mmd"))
