"""Every objective with every transform, mask and network, and what is refused before any work."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch
import torch.nn.functional as F
from torch import nn
from typer.testing import CliRunner

from fredfmt import ArgumentError, Normalization, decode, load, save, validate
from fredfmt.cli.app import app
from fredfmt.codec.masks import MASKS
from fredfmt.data.sources import Source
from fredfmt.distill import (
    DistillConfig,
    DivergenceError,
    EvaluationConfig,
    ExpertConfig,
    NetworkConfig,
    distill,
    evaluate,
    own_start,
    train_experts,
)
from fredfmt.distill.objectives import OBJECTIVES
from fredfmt.transforms import TRANSFORMS

NETWORK = NetworkConfig(width=4, depth=2)
CONFIG = DistillConfig(
    k=221,
    ipc=1,
    iterations=1,
    step=None,
    optimizer="sgd",
    lr=0.5,
    average=0,
    augmentation="flip_crop",
    network=NETWORK,
)


@pytest.fixture(scope="module")
def experts(patches, tmp_path_factory):
    """Folders of experts, by network."""
    made = {}

    def of(network):
        if network not in made:
            made[network] = tmp_path_factory.mktemp("experts")
            config = ExpertConfig(epochs=1, batch=16, network=network, augmentation="flip_crop")
            train_experts(patches, made[network], config, count=1)
        return str(made[network])

    return of


@pytest.fixture
def of(experts):
    def config(objective, **changes):
        changed = replace(CONFIG, **own(objective), **changes)
        return replace(changed, experts=experts(changed.network)) if objective == "tm" else changed

    return config


def own(objective):
    """The objective and small settings of its own."""
    settings = {"max_start_epoch": 1, "expert_epochs": 1, "syn_steps": 2} if objective == "tm" else {"batch_real": 5}
    if objective in ("frepo", "unroll"):
        settings["pool"] = 1
    return {"objective": objective, **settings, **({"syn_steps": 5} if objective == "unroll" else {})}


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_a_step_is_the_same_in_every_orthonormal_basis(patches, of, objective, tmp_path):
    """With all frequencies; gradients of FRePo and of trajectories are small, so they get a larger rate."""
    rate = {"frepo": 500.0, "tm": 5000.0, "unroll": 500.0}.get(objective, 0.5)
    pixels = distill(patches, of(objective, transform="identity", lr=rate))
    moved = decode(pixels) - decode(own_start(pixels, patches))
    assert moved.abs().max() > 0.05
    for transform in sorted(TRANSFORMS):
        k = 63 if transform == "downsample" else 221
        data = distill(patches, of(objective, transform=transform, k=k, ipc=k / 221, lr=rate))
        save(data, tmp_path / f"{transform}.fred")
        assert load(tmp_path / f"{transform}.fred") == data
        difference = (decode(data) - decode(pixels)).abs().max()
        assert (difference > 0.1) if transform == "downsample" else (difference < 0.02 * moved.abs().max()), transform


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective_with_every_mask(patches, of, objective):
    for mask, scope in [*((mask, "class") for mask in (*MASKS, "gradient")), ("evr", "start")]:
        data = distill(patches, of(objective, mask=mask, mask_scope=scope, k=9, ipc=0.1, optimizer="adam"))
        assert data.metadata.mask["strategy"] == mask
        assert [len(set(row)) for row in data.frequencies.tolist()] == [9] * 3
        assert np.isfinite(data.coefficients).all()
        start = own_start(data, patches).coefficients
        assert np.abs(data.coefficients - start).max() == pytest.approx(0.5, rel=0.02)  # a first step of Adam


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize(
    "network",
    [
        *(replace(NETWORK, norm=norm, pooling="max") for norm in ("batch", "group", "none")),
        NetworkConfig("alexnet", width=8),
        NetworkConfig("vit", width=4, depth=1),
        NetworkConfig("resnet18", width=2, norm="batch"),
    ],
    ids=lambda network: f"{network.name} {network.norm}",
)
def test_every_objective_with_every_network(patches, of, objective, network):
    data = distill(patches, of(objective, network=network, mask="low", k=9, ipc=0.1, optimizer="adam"))
    start = own_start(data, patches).coefficients
    assert np.abs(data.coefficients - start).max() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "step": 0.1, "quantize_in_loop": True, "base": True, "rate": 0.1},
        {"network": NetworkConfig("vit", width=1, depth=1), "precision": "bfloat16"},
    ],
    ids=["quantised, base, rate", "vit in bfloat16"],
)
def test_every_objective_with_settings_that_meet(patches, of, objective, changes, tmp_path):
    check(distill(patches, of(objective, mask="low", k=23, ipc=0.25, **changes)), tmp_path / "x.fred")


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("shape", [(37,), (6, 7, 9)])
def test_signals_and_volumes_are_augmented_too(objective, shape, tmp_path):
    source = Source(
        name="noise",
        split="train",
        images=np.random.default_rng(1).uniform(0, 1, (20, 3, *shape)).astype(np.float32),
        labels=np.arange(20) % 2,
        classes=("one", "other"),
        normalization=Normalization((0.5,) * 3, (0.3,) * 3),
    )
    augmentation = "color_crop_cutout_flip_scale" + ("_rotate" if len(shape) > 1 else "")
    small = replace(NETWORK, depth=1)
    config = replace(CONFIG, **own(objective), k=23, ipc=48 / math.prod(shape), augmentation=augmentation)
    config = replace(config, network=small, iterations=2)
    if objective == "tm":
        experts = ExpertConfig(epochs=1, batch=16, network=small, augmentation=augmentation)
        train_experts(source, tmp_path / "experts", experts, count=1)
        config = replace(config, experts=str(tmp_path / "experts"))
    check(distill(source, config), tmp_path / "x.fred")


def check(data, path):
    """A finite set that makes a valid file."""
    assert np.isfinite(data.coefficients.astype(np.float64)).all()
    save(data, path)
    assert validate(path).valid


@pytest.mark.parametrize("mask", ["low", "high", "random", "gradient", "fisher"])
def test_the_file_says_what_any_mask_leaves_out(patches, of, mask, tmp_path):
    data = distill(patches, of("dm", mask=mask, k=30, ipc=0.2))
    images = np.asarray(patches.normalized[:], np.float64)
    spectra = scipy.fft.dctn(images, axes=(2, 3), norm="ortho").reshape(41, 2, 221)
    each = [spectra[patches.labels == label] for label in range(3)]
    between = sum(len(part) * np.square(part.mean(0) - spectra.mean(0)).sum(0) for part in each)
    kept = sum(between[row].sum() for row in data.frequencies.astype(int)) / (3 * between.sum())
    assert data.metadata.mask["between_kept"] == pytest.approx(kept, abs=1e-3)
    save(data, path := tmp_path / "x.fred")
    shown = CliRunner().invoke(app, ["inspect", str(path)]).stdout
    assert (f"omit {1 - kept:.0%} of the variance between classes" in " ".join(shown.split())) == (kept < 0.7)


class Once(nn.Module):
    """What it computes cannot be differentiated twice."""

    def __init__(self, channels, spatial_shape, classes):
        super().__init__()
        self.head = nn.Linear(channels * math.prod(spatial_shape), classes)

    def forward(self, images):
        scores = self.head(images.flatten(1))
        each = torch.arange(scores.shape[1])[:, None].expand(-1, len(scores))
        return torch.stack([-F.multi_margin_loss(scores, label, reduction="none") for label in each], 1)


def refused(*arguments, **options):
    raise AssertionError("images are read")


def test_what_does_not_fit_is_refused_before_any_image_is_read(patches, of, monkeypatch, tmp_path):
    monkeypatch.setattr("fredfmt.distill.run.initial_data", refused)
    for changes, message in (
        ({"network": NetworkConfig("vgg11")}, "do not fit VGG-11"),
        ({"network": "perceptron"}, "no such network"),
        ({"augmentation": "jitter"}, "no such augmentation"),
    ):
        with pytest.raises(ArgumentError, match=message):
            distill(patches, of("dm", **changes))
    with pytest.raises(ArgumentError, match="method embed"):
        distill(patches, of("frepo"), network=Once)
    signals = replace(patches, images=np.zeros((41, 1, 19), np.float32), normalization=Normalization((0.5,), (0.2,)))
    message = r"along one axis cannot be rotated.*found flip_rotate\. Use 'flip'"
    with pytest.raises(ArgumentError, match=message):
        distill(signals, of("dm", k=9, augmentation="flip_rotate"))
    with pytest.raises(ArgumentError, match=message):
        train_experts(signals, tmp_path / "experts", ExpertConfig(augmentation="flip_rotate"))
    with pytest.raises(ArgumentError, match=message):
        evaluate(signals, signals, EvaluationConfig(augmentation="flip_rotate"))
    assert not list(tmp_path.iterdir())


def test_an_operation_without_second_derivatives_is_named(patches, of):
    for mask in ("low", "gradient"):
        with pytest.raises(ArgumentError, match=r"second derivatives.*derivative for.*dm, frepo"):
            distill(patches, of("dc", augmentation="none", mask=mask, k=9, ipc=0.1), network=Once)


def test_coefficients_that_no_image_has_are_a_divergence(patches, of, tmp_path):
    path = tmp_path / "checkpoint"
    wild = of("dm", k=9, ipc=0.1, optimizer="adam", lr=1e9)
    with pytest.raises(DivergenceError, match=r"iteration 1: .*expected magnitudes up to 1\.49e\+05.*rate of 1e\+09"):
        distill(patches, wild, checkpoint=path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("x.txt", [], "unknown suffix"),
        ("nowhere/x.fred", [], "no such folder"),
        ("x.fred", ["--device", "nonsense"], "no such device"),
        ("x.fred", ["--bytes", "100"], "too few bytes for an image of each class"),
        ("x.fred", ["--lr", "1e12"], "no longer those of images"),
        ("x.fred", ["--checkpoint", "nowhere/state"], "no such folder"),
    ],
)
def test_the_command_leaves_nothing_behind(tmp_path, monkeypatch, out, options, message):
    monkeypatch.chdir(tmp_path)
    words = ["distill", "digits", out, "--k", "16", "--iterations", "1", "--batch-real", "2", "--width", "2", *options]
    result = CliRunner().invoke(app, [*words, "--objective", "dm", "--depth", "1"])
    assert result.exit_code == 1
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())
