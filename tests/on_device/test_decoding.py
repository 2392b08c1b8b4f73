"""Images are made on the device, and are those of the CPU."""

import numpy as np
import pytest
import torch

from fredfmt import Decoder, FreDLoader, Normalization, decode, encode


def make(**options):
    """23 instances of two channels, 13x17, in three classes, normalised."""
    images = np.random.default_rng(3).random((23, 2, 13, 17)).astype(np.float32)
    space = Normalization((0.4, 0.6), (0.25, 0.2))
    return encode((images - 0.5) / 0.22, np.arange(23) % 3, k=19, normalization=space, step=0.01, **options)


def same(there, here, device, **tolerance):
    assert there.device.type == device.type
    torch.testing.assert_close(there.cpu(), here, **(tolerance or {"rtol": 0, "atol": 2e-5}))


@pytest.mark.parametrize("transform", ["dct", "haar", "identity"])
@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("along", ["none", "dct"])
def test_decode(device, transform, base, along):
    data = make(transform=transform, base=base, channel_transform=along)
    for options in ({}, {"k": 5}, {"normalized": False}, {"dtype": torch.float64}):
        same(decode(data, [20, 0, 4, 4], device=device, **options), decode(data, [20, 0, 4, 4], **options), device)
    same(decode(data, 7, device=device), decode(data, 7), device)


def test_decode_at_another_size(device):
    data = make()
    same(decode(data, size=(20, 9), device=device), decode(data, size=(20, 9)), device)


@pytest.mark.parametrize("masks", ["there", "here", "one"])
def test_a_decoder_takes_masks_of_either_device(device, masks):
    data = make()
    decoder = Decoder.of(data, device=device)
    coefficients = torch.from_numpy(data.coefficients[:6].copy())
    which = torch.from_numpy(data.mask_of[:6].astype(np.int64))
    if masks == "one":
        which = 1
    expected = Decoder.of(data)(coefficients, which)
    there = which.to(device) if masks == "there" else which
    same(decoder(coefficients.to(device), there), expected, device)


def test_gradients_of_gradients(device):
    data = make(base=True, channel_transform="dct")
    values = torch.from_numpy(data.coefficients[:5].astype(np.float32))
    masks = torch.from_numpy(data.mask_of[:5].astype(np.int64))

    def slopes(where):
        decoder = Decoder.of(data, device=where)
        leaf = values.to(where).requires_grad_()
        first = torch.autograd.grad(decoder(leaf, masks).sin().sum(), leaf, create_graph=True)[0]
        return first.detach(), torch.autograd.grad(first.square().sum(), leaf)[0]

    for there, here in zip(slopes(device), slopes("cpu"), strict=True):
        same(there, here, device, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("soft", [False, True])
def test_a_loader_gives_the_batches_of_the_cpu(device, soft):
    data = make()
    if soft:
        images = np.random.default_rng(0).random((23, 2, 13, 17), np.float32)
        data = encode(images, np.random.default_rng(1).dirichlet([1, 1, 1], 23), k=7)
    options = {"batch_size": 5, "shuffle": True, "seed": 2, "normalized": False}
    batches = zip(FreDLoader(data, device=device, **options), FreDLoader(data, **options), strict=True)
    for (images, labels), (expected, wanted) in batches:
        same(images, expected, device)
        same(labels, wanted, device)
