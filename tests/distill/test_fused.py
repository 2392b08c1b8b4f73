"""What ConvNets compute with on a CPU, against torch's own operations in float64, up to second derivatives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fredfmt.distill import NetworkConfig
from fredfmt.distill.networks import fused, make_network
from fredfmt.distill.networks.convolving import convolve, matching_gradients
from fredfmt.distill.networks.fused import norm_relu_pool
from fredfmt.distill.runtime.randomness import generator

SHAPES = [(3, 5, 13, 17), (2, 4, 8, 8), (7, 3, 2, 31), (2, 70, 32, 36), (1, 1, 2, 3)]


def draw(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed, "test", *shape))


def derivatives(function, inputs, dtype):
    """A value, its gradients, and the gradients of a random combination of these."""
    leaves = [value.to(dtype).requires_grad_() for value in inputs]
    made = function(*leaves)
    outer = draw(*made.shape, seed=1).to(dtype).requires_grad_()
    first = torch.autograd.grad((made * outer).sum(), leaves, create_graph=True)
    combined = sum((part * draw(*part.shape, seed=2).to(dtype)).sum() for part in first)
    second = torch.autograd.grad(combined, [*leaves[:2], outer])  # that in the bias is zero
    return [made, *first, *second]


def assert_equal(ours, exact):
    assert len(ours) == len(exact)
    for mine, right in zip(ours, exact, strict=True):
        assert (mine - right).norm() <= 1e-6 * right.norm() + 1e-5


@pytest.mark.needs("a C compiler")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_norm_relu_and_pooling_and_their_derivatives(shape, threads):
    assert fused.LIBRARY is not None
    channels = shape[1]
    inputs = [3 * draw(*shape) + 1, draw(channels, seed=3), draw(channels, seed=4)]

    def plain(images, weight, bias):
        return F.avg_pool2d(F.relu(F.group_norm(images, channels, weight, bias, 1e-5)), 2)

    torch.set_num_threads(threads)
    try:
        ours = derivatives(lambda *given: norm_relu_pool(*given, 1e-5), inputs, torch.float32)
    finally:
        torch.set_num_threads(1)
    assert_equal(ours, derivatives(plain, inputs, torch.float64))


def test_inputs_that_are_not_contiguous():
    images = draw(4, 6, 9, 3).permute(3, 2, 1, 0)
    weight, bias = draw(18)[::2], draw(9)
    exact = F.avg_pool2d(F.relu(F.group_norm(images, 9, weight, bias)), 2)
    torch.testing.assert_close(norm_relu_pool(images, weight, bias, 1e-5), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("channels", "first"), [(1, True), (3, True), (6, False)])
def test_convolutions_and_their_derivatives(channels, first):
    layer = nn.Conv2d(channels, 7, 3, padding=(1, 2)).double()
    images = draw(5, channels, 9, 11)

    def of(convolved, dtype):
        """As gradient matching does: the gradient of the weight, and its gradient in the images."""
        copy, leaf = nn.Conv2d(channels, 7, 3, padding=(1, 2)).to(dtype), images.to(dtype).requires_grad_()
        copy.load_state_dict(layer.state_dict())
        made = convolved(copy, leaf if first else leaf * 1.0)
        (given,) = torch.autograd.grad(made.pow(3).sum(), copy.weight, create_graph=True)
        (again,) = torch.autograd.grad(given.pow(2).sum() + made.sum(), leaf)
        return made, given, again

    exact = of(lambda copy, leaf: copy(leaf), torch.float64)
    assert_equal(of(lambda copy, leaf: convolve(copy, leaf, first=first), torch.float32), exact)
    with matching_gradients():
        assert_equal(of(lambda copy, leaf: convolve(copy, leaf, first=first), torch.float32), exact)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_convnet_is_what_its_layers_say(channels, monkeypatch):
    network = make_network(
        NetworkConfig(width=6), channels=channels, spatial_shape=(28, 20), classes=4, generator=generator(0, "network")
    )
    images = draw(5, channels, 28, 20).requires_grad_()
    plain = network.head(network.features(images).flatten(1))
    weights = [weight for weight in network.parameters() if weight.ndim > 1]

    def gradients(scores):
        given = torch.autograd.grad(scores.square().sum(), weights, create_graph=True)
        return [scores, *given, *torch.autograd.grad(sum(part.square().sum() for part in given), images)]

    exact = gradients(plain)
    for mine, right in zip(gradients(network(images)), exact, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-3, atol=1e-4 * float(right.detach().abs().max()))
    monkeypatch.setattr(fused, "LIBRARY", None)
    for mine, right in zip(gradients(network(images)), exact, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-3, atol=1e-4 * float(right.detach().abs().max()))


@pytest.mark.needs("a C compiler")
def test_a_third_derivative_is_refused_rather_than_wrong():
    images = draw(2, 3, 6, 6).requires_grad_()
    made = norm_relu_pool(images, torch.ones(3), torch.zeros(3), 1e-5)
    (first,) = torch.autograd.grad(made.pow(2).sum(), images, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()
