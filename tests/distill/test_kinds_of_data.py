"""Hundreds of classes, classes of very different sizes, classes of an image folder by name: from source to table."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from needed import compiled_loops
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from fredfmt import ArgumentError, encode, load, save, validate
from fredfmt.cli.app import app
from fredfmt.data.sources import ZCA, open_source
from fredfmt.distill import CorruptionConfig, DistillConfig, EvaluationConfig, NetworkConfig, compare, distill, evaluate
from fredfmt.distill.evaluation.held_out import held_out

NETWORK = NetworkConfig(width=8)
CONFIG = DistillConfig(
    objective="dm", k=16, ipc=0.5, iterations=3, batch_real=4, network=NETWORK, augmentation="none", average=0
)
QUICK = EvaluationConfig(steps=20, batch=32, network=NETWORK, augmentation="none", seeds=1)


def relabelled(source, classes):
    """Real digits in many classes: the images of each digit sorted along its two largest components and cut up."""
    each = classes // 10
    labels = np.empty(len(source), np.int64)
    for digit in range(10):
        members = np.flatnonzero(source.labels == digit)
        images = source.images[members].reshape(len(members), -1)
        centred = images - images.mean(0)
        first, second = (centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T).T
        order = np.lexsort((second, np.argsort(np.argsort(first)) // 30))
        for part, rows in enumerate(np.array_split(members[order], each)):
            labels[rows] = digit * each + part
    return replace(source, labels=labels, classes=tuple(f"kind {number:03}" for number in range(classes)))


def linear(channels, spatial_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * math.prod(spatial_shape), classes))


@compiled_loops
@pytest.mark.parametrize("objective", ["dm", "dsa"])
def test_hundreds_of_classes(tmp_path, digits, objective):
    many = relabelled(digits, 300)
    assert np.bincount(many.labels).min() >= 4
    config = replace(CONFIG, objective=objective, mask="low", k=32, ipc=1, iterations=1 if objective == "dsa" else 5)
    data = distill(many, config)
    save(data, tmp_path / "many.fred")
    read = load(tmp_path / "many.fred")
    assert (len(read), read.labels.dtype, len(read.frequencies)) == (600, np.uint16, 300)
    assert validate(tmp_path / "many.fred").valid
    assert evaluate(read, many, replace(QUICK, steps=300), network=linear).mean > 20 / 300
    if objective == "dm":
        rows = compare(read, many, many, QUICK, baselines=("own-start", "coded", "equal-instances", "whole"))
        assert [row.instances_per_class for row in rows] == [2, 2, pytest.approx(2, abs=1), 2, len(many) / 300]


def test_classes_of_very_different_sizes(digits, digits_test):
    """2, 3, 5, ... 130 images a class."""
    sizes = np.geomspace(2, 125, 10).astype(int)
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[:size] for label, size in enumerate(sizes)])
    uneven = digits.subset(np.random.default_rng(0).permutation(rows))
    for objective in ("dm", "dc"):
        data = distill(uneven, replace(CONFIG, objective=objective))
        np.testing.assert_array_equal(np.bincount(data.labels), [2] * 10)
    result = compare(data, uneven, digits_test, QUICK, baselines=("own-start", "coded", "equal-instances", "whole"))
    counts = [row.instances_per_class for row in result]
    assert counts[:2] + counts[3:] == [2, 2, 2, len(rows) / 10]
    assert 2 <= counts[2] < 4  # as many as fit: of the smallest class there are two


@pytest.mark.parametrize("objective", ["dc", "dm", "frepo"])
def test_a_class_with_fewer_images_than_instances_has_one_instance_an_image(digits, digits_test, objective, caplog):
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[: 1 if label == 3 else 9] for label in range(10)])
    uneven = digits.subset(np.random.default_rng(0).permutation(rows))
    config = replace(CONFIG, objective=objective, ipc=1, mask="amplitude")
    data = distill(uneven, config)
    np.testing.assert_array_equal(np.bincount(data.labels), [1 if label == 3 else 4 for label in range(10)])
    assert "1 of 10 classes have fewer images than the 4 instances of the budget" in caplog.text
    result = compare(data, uneven, digits_test, QUICK, baselines=("own-start", "equal-instances"))
    assert [row.instances_per_class for row in result] == [3.7] * 3
    with pytest.raises(ArgumentError, match=r"too few images; expected 36, found"):  # nor has any other class
        distill(uneven, replace(config, ipc=9))
    with pytest.raises(ArgumentError, match=r"class 3 \(1 images\).*mask='amplitude'"):
        distill(uneven, replace(config, mask="evr"))


def test_a_small_class_leaves_the_others_to_choose_by(digits, digits_test):
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[: 1 if label == 3 else 30] for label in range(10)])
    uneven = digits.subset(rows)
    rest, held = held_out(uneven, CONFIG.replace(held_out=0.1))
    assert np.bincount(held.labels, minlength=10).tolist() == [0 if label == 3 else 3 for label in range(10)]
    assert len(rest) + len(held) == len(uneven)
    few = digits.subset(np.concatenate([np.flatnonzero(digits.labels == label)[:4] for label in range(10)]))
    assert np.bincount(held_out(few, CONFIG.replace(held_out=0.1))[1].labels).tolist() == [1] * 10


@compiled_loops
def test_classes_of_an_image_folder_by_name(tmp_path, digits, digits_test):
    """As ImageNet's subsets are chosen: some folders, by name or number, in the order given; not square, in colour."""
    names = ("n01-tench", "n02-shark", "n03-hen", "n04-ostrich")
    for split, source in (("train", digits), ("test", digits_test)):
        for label, name in enumerate(names):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for number, row in enumerate(np.flatnonzero(source.labels == label)[:7]):
                grey = np.uint8(source.images[row, 0] * 255)
                colour = np.stack([grey, grey // 2, 255 - grey], 2)
                Image.fromarray(colour).resize((17, 13)).save(folder / f"{number}.png")
    spec = f"folder:{tmp_path / 'images'}"

    def run(*words):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    out = tmp_path / "two.fred"
    options = ("--ipc", 1, "--k", 70, "--iterations", 2, "--batch-real", 3, "--width", 8, "--depth", 2)
    run("distill", spec, out, "--classes", "n04-ostrich,1", *options)
    data = load(out)
    assert data.metadata.classes == ("n04-ostrich", "n02-shark")
    assert (data.metadata.channels, data.metadata.spatial_shape, len(data)) == (3, (13, 17), 6)
    quick = ("--steps", 2, "--width", 8, "--depth", 2, "--seeds", 1, "--json")
    found = json.loads(run("evaluate", out, "--on", spec, *quick, "--corruptions", "all", "--severities", "3"))
    assert [row["result"]["images"] for row in found] == [14] * 3
    assert len(found[0]["result"]["corruptions"]["each"]) == 13


def test_volumes_have_baselines_and_whitening_but_no_corruptions():
    chance = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (7, 8, 9)), indexing="ij"))
    labels = np.arange(24) % 2
    images = np.exp(-(((grid[None] - (labels[:, None, None, None, None] - 0.5)) / 0.6) ** 2).sum(1, keepdims=True))
    images = (images + chance.uniform(0, 0.1, images.shape)).clip(0, 1).astype(np.float32)
    some = open_source("digits").subset(np.arange(24))
    volumes = replace(some, images=images, labels=labels, classes=("near", "far"), selection=None)
    quick = replace(QUICK, network=NetworkConfig(width=8, depth=2))
    data = distill(volumes, replace(CONFIG, k=60, network=quick.network, zca=True, step=0.01))
    rows = compare(data, volumes, volumes, quick, baselines=("own-start", "equal-instances", "whole"))
    assert len(rows) == 4
    assert ZCA.of(data.metadata, volumes).matrix.shape == (504, 504)
    plain = encode(volumes.normalized, labels, k=60, classes=volumes.classes, normalization=volumes.normalization)
    with pytest.raises(ArgumentError, match=r"only images can be corrupted.*height, width"):
        evaluate(plain, volumes, quick, corruptions=CorruptionConfig(("fog",)))
