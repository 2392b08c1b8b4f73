"""Whitened images: the matrix, the record in the file, and that nobody takes them for others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from needed import compiled_loops
from typer.testing import CliRunner

from fredfmt import ArgumentError, FreDDataset, FreDLoader, Normalization, Whitening, decode, digest, encode, load, save
from fredfmt.cli.app import app
from fredfmt.codec.views import blocks
from fredfmt.codec.whitening import LARGEST
from fredfmt.data.sources import ZCA, open_source
from fredfmt.distill import CorruptionConfig, DistillConfig, EvaluationConfig, NetworkConfig, compare, distill, evaluate

QUICK = EvaluationConfig(steps=60, batch=32, network=NetworkConfig(width=16), augmentation="scale_rotate", seeds=2)


def run(*words, status=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def flat(source):
    images = np.asarray(source.images[:], np.float64)
    return images.reshape(len(images), -1) / (255 if source.images.dtype == np.uint8 else 1)


@pytest.fixture(scope="module")
def zca(digits):
    return ZCA.fit(digits)


def whitened(source, per_class, zca, **how):
    chosen = source.whitened(zca).sample(per_class, seed=0)
    return encode(
        chosen.normalized,
        chosen.labels,
        **{"k": 48, "step": 0.1, "normalization": chosen.normalization, "classes": chosen.classes} | how,
        whitening=zca.record,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_covariance_after_whitening(patches, digits, dtype):
    """Against numpy's own covariance and eigenvectors; near the identity for a small epsilon."""
    bytes_ = replace(patches, images=(patches.images * 255).round().astype(np.uint8))
    source = digits if dtype == np.float32 else bytes_
    for epsilon in (0.1, 1e-5):
        zca = ZCA.fit(source, epsilon)
        images = flat(source)
        covariance = np.cov(images, rowvar=False)
        variances, directions = np.linalg.eigh(covariance)
        variances = variances.clip(0)
        expected = (directions * (variances + epsilon) ** -0.5) @ directions.T
        np.testing.assert_allclose(zca.matrix, expected, rtol=0, atol=2e-3 * np.abs(expected).max())
        after = np.asarray(source.whitened(zca).normalized[:], np.float64).reshape(len(source), -1)
        assert np.abs(after.mean(0)).max() < 1e-3
        shrunk = (directions * (variances / (variances + epsilon))) @ directions.T
        np.testing.assert_allclose(np.cov(after, rowvar=False), shrunk, rtol=0, atol=5e-3)
        if epsilon < 0.01:
            there = directions[:, variances > 100 * epsilon]
            np.testing.assert_allclose(there.T @ np.cov(after, rowvar=False) @ there, np.eye(there.shape[1]), atol=0.02)


def test_there_and_back(patches):
    zca = ZCA.fit(patches)
    images = patches.images[3:8]
    there = zca.whiten(images)
    assert there.shape == images.shape
    assert np.abs(there - images).max() > 0.1
    np.testing.assert_allclose(zca.unwhiten(there), images, atol=1e-5)
    np.testing.assert_allclose(patches.whitened(zca).batch([3, 4]), there[:2], atol=1e-6)


def test_the_record_says_which_images(patches, digits, zca):
    meta = whitened(digits, 2, zca).metadata
    assert zca.record.method == "zca"
    assert zca.record.epsilon == 0.1
    assert zca.record.source["name"] == "digits"
    assert zca.record.source["split"] == "train"
    again = ZCA.of(meta, open_source("digits"))
    np.testing.assert_array_equal(again.matrix, zca.matrix)
    with pytest.raises(ArgumentError, match=r"other images.*digits, train"):
        ZCA.of(meta, digits.subset(np.arange(len(digits))[::-1]))
    assert len(list(blocks(patches.images))) == 1
    assert ZCA.of(replace(meta, whitening=Whitening("zca", 0.5)), patches).record.epsilon == 0.5
    with pytest.raises(ArgumentError, match="not whitened"):
        ZCA.of(replace(meta, whitening=None), digits)
    with pytest.raises(ArgumentError, match="normalised before"):
        ZCA.of(replace(meta, normalization=Normalization((0.5,), (1.0,))), digits)


def test_other_images_than_the_data_name_are_never_used_without_a_word(digits, zca, caplog):
    made = whitened(digits, 2, zca).metadata
    meta = replace(made, whitening=Whitening("zca", 0.1), source=digits.provenance())
    ZCA.of(meta, digits)
    assert not caplog.records
    for named, words in (
        (
            {"name": "cifar10", "split": "train"},
            "the data come from cifar10 train, but the given images are digits train",
        ),
        ({"name": "digits", "split": "test"}, "the data come from digits test"),
        ({}, "the data come from unnamed images"),
    ):
        caplog.clear()
        ZCA.of(replace(meta, source=named), digits)
        (record,) = caplog.records
        assert record.getMessage().startswith(words)
        assert "correct only if they are the same" in record.getMessage()
    caplog.clear()
    known = replace(whitened(digits, 2, zca).metadata, source={"name": "another name of the same images"})
    ZCA.of(known, digits)
    assert not caplog.records


def test_what_cannot_be_whitened(patches):
    large = replace(patches, images=np.zeros((41, 2, 1, LARGEST // 2 + 1), np.float32))
    with pytest.raises(ArgumentError, match="too large"):
        ZCA.fit(large)
    with pytest.raises(ArgumentError, match="at least 2"):
        ZCA.fit(patches.subset([0]))


@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr", ".fred.h5"])
def test_the_file_says_so(tmp_path, digits, zca, suffix):
    data = whitened(digits, 2, zca)
    save(data, tmp_path / f"x{suffix}")
    read = load(tmp_path / f"x{suffix}")
    assert read == data
    assert read.metadata.whitening == zca.record
    assert "whitened" in repr(read)
    others = (
        replace(data, metadata=replace(data.metadata, whitening=other))
        for other in (None, Whitening("zca", 0.2, images=zca.record.images), Whitening("zca", 0.1))
    )
    assert len({digest(read), digest(data), *map(digest, others)}) == 4


def test_whitened_images_are_never_given_as_pixels(tmp_path, digits, zca, caplog):
    data = whitened(digits, 2, zca, k=64, step=None)
    chosen = digits.sample(2, seed=0)
    np.testing.assert_allclose(zca.unwhiten(decode(data).numpy()), chosen.images[:], atol=1e-5)
    np.testing.assert_allclose(decode(data, normalized=False, whitening=zca), chosen.images[:], atol=1e-5)
    np.testing.assert_allclose(decode(data, 7, normalized=False, whitening=zca), chosen.images[7], atol=1e-5)
    np.testing.assert_array_equal(decode(data, whitening=zca), decode(data))
    with pytest.raises(ArgumentError, match="not that of the data"):
        decode(data, normalized=False, whitening=ZCA.fit(digits, 0.3))
    with pytest.raises(ArgumentError, match="at the size"):
        decode(data, normalized=False, whitening=zca, size=16)
    for refused in (
        lambda: decode(data, normalized=False),
        lambda: FreDDataset(data, normalized=False),
        lambda: FreDLoader(data, normalized=False),
    ):
        with pytest.raises(ArgumentError, match=r"whitened.*ZCA.of"):
            refused()
    for made in (FreDDataset, FreDLoader):
        caplog.clear()
        made(data)
        assert "networks that are trained on them need whitened test images" in caplog.text
    file = tmp_path / "x.fred"
    save(data, file)
    for words in (("preview", file, tmp_path / "x.png"), ("export", file, tmp_path / "x.npz")):
        assert "whitened" in str(run(*words, status=1).exception)
        assert not words[2].exists()
    run("preview", file, tmp_path / "x.png", "--on", "digits")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_test_images_are_whitened_alike_or_refused(digits, digits_test, zca):
    data = whitened(digits, 10, zca)
    with pytest.raises(ArgumentError, match="whitened in the same way"):
        evaluate(data, digits_test, QUICK)
    result = evaluate(data, digits_test, QUICK, whitening=zca)
    assert result.mean > 0.3  # chance is 0.1
    for other in (ZCA.fit(digits, 0.2), ZCA.fit(digits.sample(30))):
        with pytest.raises(ArgumentError, match="not that of the data"):
            evaluate(data, digits_test, QUICK, whitening=other)
    plain = replace(data, metadata=replace(data.metadata, whitening=None))
    with pytest.raises(ArgumentError, match="not that of the data"):
        evaluate(plain, digits_test, QUICK, whitening=zca)
    by_hand = replace(
        digits_test, images=zca.whiten(digits_test.images[:])
    )  # the oracle: whitened before, outside 0..1
    assert evaluate(plain, by_hand, QUICK).accuracies == result.accuracies
    unknown = replace(data, metadata=replace(data.metadata, whitening=Whitening("zca", 0.1)))
    assert evaluate(unknown, digits_test, QUICK, whitening=zca).accuracies == result.accuracies


@compiled_loops
def test_distillation_and_comparison_in_the_whitened_space(digits, digits_test, zca):
    config = DistillConfig(
        objective="dm", k=32, ipc=1, iterations=5, batch_real=8, network=NetworkConfig(width=8), step=0.1, zca=True
    )
    data = distill(digits, config)
    assert data.metadata.whitening == zca.record
    assert data.metadata.distillation["run"]["zca"] is True
    assert distill(digits.whitened(zca), config) == data
    with pytest.raises(ArgumentError, match="another whitening"):
        distill(digits.whitened(zca), replace(config, zca=False))
    with pytest.raises(ArgumentError, match="another whitening"):
        distill(digits.whitened(zca), replace(config, zca_epsilon=0.2))
    names = ("own-start", "coded", "equal-instances", "equal-budget", "whole")
    corruptions = CorruptionConfig(("brightness",), (1,))
    quick = replace(QUICK, steps=10, seeds=1)
    rows = compare(data, digits, digits_test, quick, baselines=names, corruptions=corruptions)
    assert [row.name for row in rows][1:] == [
        "own start",
        "coded images",
        "equal instances",
        "equal budget",
        "whole set",
    ]
    assert rows[2].instances_per_class > 1
    with pytest.raises(ArgumentError, match="other images"):
        compare(data, digits.sample(50), digits_test, quick)


def test_on_the_command_line(tmp_path):
    out, coded = tmp_path / "white.fred", tmp_path / "coded.fred"
    run("distill", "digits", out, "--k", 32, "--iterations", 2, "--batch-real", 4, "--width", 8, "--step", 0.1, "--zca")
    facts = json.loads(run("inspect", out, "--json").stdout)
    assert facts["metadata"]["whitening"]["epsilon"] == 0.1
    assert facts["settings"]["zca"] is True
    assert "whitened" in facts["warnings"][0]
    shown = run("inspect", out).stdout
    assert "Whitening" in shown
    assert "warning" in shown
    again = tmp_path / "again.fred"
    run("distill", "--from", out, again)
    assert again.read_bytes() == out.read_bytes()
    quick = ("--on", "digits", "--steps", 3, "--width", 8, "--seeds", 1, "--json", "--record")
    rows = json.loads(run("evaluate", out, *quick).stdout)
    assert [row["name"] for row in rows] == ["file", "own start", "coded images"]
    run("encode", "digits", coded, "--k", 20, "--split", "test", "--classes", "3,1", "--zca", "--zca-epsilon", 0.2)
    record = load(coded).metadata.whitening
    train = open_source("digits").of_classes([3, 1])
    assert record == ZCA.fit(train, 0.2).record
    assert record.source["split"] == "train"
