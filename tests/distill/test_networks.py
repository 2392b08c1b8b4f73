import pytest
import torch
import torch.nn.functional as F

from fredfmt import ArgumentError
from fredfmt.distill import DistillConfig, NetworkConfig
from fredfmt.distill.networks import make_network
from fredfmt.distill.networks.convnet import ConvNet
from fredfmt.distill.runtime.randomness import generator


def make(channels, shape, classes=7, *, width=5, depth=3, seed=0):
    return ConvNet(channels, shape, classes, width=width, depth=depth, generator=generator(seed, "test"))


@pytest.mark.parametrize(
    ("channels", "shape", "depth", "left"),
    [
        (1, (8, 8), 3, (1, 1)),
        (1, (28, 28), 3, (4, 4)),
        (3, (32, 32), 3, (4, 4)),
        (2, (13, 17), 3, (1, 2)),
        (3, (64, 48), 4, (4, 3)),
        (3, (9, 40), 2, (2, 10)),
    ],
)
def test_shapes(channels, shape, depth, left):
    network = make(channels, shape, depth=depth)
    images = torch.randn(4, channels, *shape)
    assert network.embed(images).shape == (4, 5 * left[0] * left[1])
    assert network(images).shape == (4, 7)


def test_published_size():
    network = make(1, (28, 28), 10, width=128)
    assert sum(parameter.numel() for parameter in network.parameters()) == 317_706


def test_it_computes_what_its_description_says():
    network = make(2, (13, 17), width=5, depth=2)
    images = torch.randn(3, 2, 13, 17, generator=torch.Generator().manual_seed(1))
    parameters = dict(network.named_parameters())
    x = images
    for block in range(2):
        weight, bias = (parameters[f"features.{4 * block}.{part}"] for part in ("weight", "bias"))
        # 13 and 17 lack 3 pixels to multiples of 4: half of that, rounded down, is added on each side at first
        x = F.conv2d(F.pad(x, (2, 2, 2, 2) if block == 0 else (1, 1, 1, 1)), weight, bias)
        x = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        x = x.clamp(min=0)
        h, w = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
        x = x[:, :, :h, :w].unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean((3, 5))
    torch.testing.assert_close(network.embed(images), x.flatten(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network(images), x.flatten(1) @ network.head.weight.T + network.head.bias)


def test_images_do_not_mix():
    network = make(1, (28, 28))
    images = torch.randn(6, 1, 28, 28)
    torch.testing.assert_close(network.embed(images)[2:4], network.embed(images[2:4]))


def test_parameters_come_from_the_generator_alone():
    state = torch.get_rng_state()
    first, again, other = make(1, (8, 8), seed=3), make(1, (8, 8), seed=3), make(1, (8, 8), seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    for mine, same, different in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, same)
        assert mine.eq(different).all() == (mine.unique().numel() == 1)
    assert first.features[4].weight.abs().max() <= 45**-0.5
    assert first.features[4].weight.std().item() == pytest.approx(45**-0.5 / 3**0.5, rel=0.1)


@pytest.mark.parametrize(("shape", "depth"), [((7, 28), 4), ((28, 28), 6), ((8, 8, 8), 4), ((1, 1, 1, 1), 1)])
def test_images_that_do_not_fit_are_refused(shape, depth):
    with pytest.raises(ArgumentError, match="do not fit"):
        make(1, shape, depth=depth)


@pytest.mark.parametrize(
    ("name", "unused"),
    [("alexnet", {"depth": 5}), ("alexnet", {"norm": "batch"}), ("vit", {"pooling": "max"}), ("a:b", {"width": 64})],
)
def test_settings_that_a_network_does_not_have_are_refused(name, unused):
    (setting,) = unused
    with pytest.raises(ArgumentError, match=rf"network\.{setting}: {name} has no setting {setting}"):
        NetworkConfig(name, **unused)


def test_another_network_keeps_what_it_has_and_documents_of_earlier_files_can_be_read():
    before = NetworkConfig(width=64, depth=4, norm="batch")
    assert before.replace(name="vit") == NetworkConfig("vit", width=64, depth=4)
    assert before.replace(name="alexnet") == NetworkConfig("alexnet", width=64)
    assert before.replace(name="a:b") == NetworkConfig("a:b")
    recorded = {"name": "alexnet", "configuration": {"width": 64, "depth": 4}}
    config = DistillConfig.from_json({"defaults": 3, "network": recorded})
    assert config.network == NetworkConfig("alexnet", width=64)
    assert DistillConfig.from_json(config.to_json()) == config


def test_unknown_networks_are_refused():
    with pytest.raises(ArgumentError, match="convnet"):
        make_network(
            NetworkConfig(name="perceptron"), channels=1, spatial_shape=(8, 8), classes=2, generator=generator(0, "x")
        )


def of(name, channels, shape, *, classes=7, seed=0, **settings):
    config = NetworkConfig(**{"name": name, "width": 8, **settings})
    chance = generator(seed, "test")
    return make_network(config, channels=channels, spatial_shape=shape, classes=classes, generator=chance)


@pytest.mark.parametrize(
    ("name", "shape"), [("resnet18", (28, 40)), ("vgg11", (28, 40)), ("alexnet", (13, 28)), ("vit", (17, 28))]
)
def test_other_networks(name, shape):
    state = torch.get_rng_state()
    network, again = of(name, 2, shape), of(name, 2, shape)
    assert torch.equal(torch.get_rng_state(), state)
    images = torch.randn(5, 2, *shape)
    scores = network(images)
    assert scores.shape == (5, 7)
    torch.testing.assert_close(network.head(network.embed(images)), scores)
    torch.testing.assert_close(again(images), scores)
    torch.testing.assert_close(network(images[2:4]), scores[2:4], rtol=1e-4, atol=1e-5)
    assert scores.std(0).min() > 1e-4  # different images, different scores
    F.cross_entropy(scores, torch.arange(5)).backward()
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in network.named_parameters() if "weight" in name)


@pytest.mark.parametrize(
    ("name", "width", "parameters"),
    [("resnet18", 64, 11_173_962), ("vgg11", 64, 9_231_114), ("alexnet", 128, 1_872_202)],
)
def test_published_sizes(name, width, parameters):
    """Those of Dataset Condensation's networks for ten classes of 3x32x32, counted layer by layer."""
    network = of(name, 3, (32, 32), classes=10, width=width)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("shape", [(40,), (9, 20), (16, 16, 16), (8, 9, 11)])
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_a_convnet_over_any_number_of_axes(shape, pooling):
    network = of("convnet", 2, shape, pooling=pooling)
    assert network(torch.randn(3, 2, *shape)).shape == (3, 7)


def test_norms():
    images = torch.randn(6, 2, 16, 20)
    outputs = {norm: of("convnet", 2, (16, 20), norm=norm)(images) for norm in ("instance", "batch", "group", "none")}
    for norm in ("instance", "batch", "group"):
        assert not torch.allclose(outputs[norm], outputs["none"])
    batch = of("convnet", 2, (16, 20), norm="batch")
    batch(images)
    assert batch.features[1].running_mean.abs().sum() > 0
    torch.testing.assert_close(batch.eval()(images[:2]), batch(images)[:2])
    with pytest.raises(ArgumentError, match="multiple of 4"):
        of("convnet", 2, (16, 20), norm="group", width=6)
