"""What differs between two datasets, against what was changed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import fredfmt
from fredfmt.cli.app import app
from fredfmt.storage.containers.package import with_metadata
from fredfmt.view.difference import difference


def made(shape=(2, 13, 17), count=24, labels=None, seed=2, **options):
    chance = np.random.default_rng(seed)
    images = chance.normal(0, 1, (count, *shape))
    for axis in range(2, images.ndim):
        images = images.cumsum(axis) / np.sqrt(images.shape[axis])
    options = {"k": 40, "step": 0.05, "mask": "amplitude"} | options
    return fredfmt.encode(images.astype(np.float32), np.arange(count) % 3 if labels is None else labels, **options)


def test_nothing_differs_between_equal_data():
    found = difference(made(), made())
    assert found.same
    assert found.settings == {} == found.reasons
    assert (found.masks.equal, found.masks.overlap) == (3, 1)
    assert (found.labels.changed, found.labels.distance) == (0, 0)
    assert (found.images.rmse, found.images.instances, found.images.psnr) == (0, 0, None)
    assert found.coefficients.rmse == 0


def test_notes_alone_leave_the_data_the_same():
    a = made()
    found = difference(a, with_metadata(a, results=({"accuracy": 0.5},), license="MIT"))
    assert found.same
    assert set(found.settings) == {"results", "license"}
    assert found.settings["license"] == (None, "MIT")
    assert found.bytes[0] < found.bytes[1]


def test_settings_that_are_defaults_differ_as_what_they_stand_for():
    a, b = (
        with_metadata(made(), distillation={"defaults": 3, "objective": {"name": "frepo"}, **more})
        for more in ({}, {"run": {"augmentation": "none"}, "defaults": 3})
    )
    assert difference(a, b).settings == {
        "distillation.run.augmentation": ("color_crop_cutout_flip_scale_rotate", "none")
    }
    unknown = with_metadata(made(), distillation={"objective": {"name": "frepo"}, "defaults": 99})
    assert "distillation.defaults" in difference(a, unknown).settings


def test_another_step_shows_in_settings_coefficients_and_images():
    a, b = made(), made(step=0.5)
    found = difference(a, b)
    assert not found.same
    assert found.settings["quantization.step"] == (0.05, 0.5)
    apart = fredfmt.decode(a).double() - fredfmt.decode(b).double()
    assert found.images.rmse == pytest.approx(apart.square().mean().sqrt().item(), rel=1e-4)
    assert found.images.psnr == pytest.approx(-10 * np.log10(apart.square().mean().item()), abs=1e-3)
    assert found.images.largest == pytest.approx(apart.abs().max().item(), rel=1e-4)
    values = a.coefficients * 0.05 - b.coefficients * 0.5
    assert found.coefficients.rmse == pytest.approx(np.sqrt(np.square(values).mean()))
    assert found.coefficients.instances == 24


def test_images_are_compared_whatever_the_masks_and_transforms():
    found = difference(made(k=221), made(k=221, transform="haar", step=None))
    assert found.images.rmse < 0.05
    assert found.masks is found.coefficients is None
    assert found.reasons == dict.fromkeys(("masks", "coefficients"), "transform dct and haar")
    found = difference(made(k=40), made(k=20))
    assert found.masks.overlap == pytest.approx(0.5)
    assert found.reasons == {"coefficients": "the masks differ"}


def test_labels_hard_and_soft():
    chance = np.random.default_rng(0)
    soft = chance.dirichlet(np.ones(3), 24).astype(np.float32)
    other = np.arange(24) % 3
    other[[4, 9]] = (other[[4, 9]] + 1) % 3
    hard = difference(made(mask="low"), made(labels=other, mask="low"))
    assert (hard.labels.changed, hard.labels.distance) == (2, pytest.approx(2 / 24))
    mixed = difference(made(mask="low"), made(labels=soft, mask="low"))
    assert mixed.labels.distance == pytest.approx(np.mean(1 - soft[np.arange(24), np.arange(24) % 3]), abs=1e-6)
    assert mixed.settings["labels"] == ("hard", "soft")


def test_what_cannot_be_compared_says_why():
    found = difference(made(), made(count=27))
    assert found.images is found.coefficients is found.labels is None
    assert found.reasons["images"] == "instances 24 and 27"
    found = difference(made(), made(shape=(2, 17, 13)))
    assert found.reasons["images"] == "spatial shape 13 x 17 and 17 x 13"
    found = difference(made(classes=("a", "b", "c")), made(classes=("a", "b", "d")))
    assert found.reasons["labels"] == "different classes"


def test_the_command(tmp_path):
    a, b, c = (tmp_path / f"{name}.fred" for name in "abc")
    fredfmt.save(made(), a)
    fredfmt.save(with_metadata(made(), license="MIT"), b)
    fredfmt.save(made(step=0.5, classes=("[red]", "b", "c")), c)
    run = lambda *words: CliRunner().invoke(app, ["diff", *map(str, words)])  # noqa: E731
    assert run(a, b).exit_code == 0
    assert "license" in run(a, b).stdout
    assert run(a, c).exit_code == 1
    text = run(a, c).stdout
    assert "quantization.step" in text
    assert "PSNR" in text
    assert "[red]" in text
    found = json.loads(run(a, c, "--json").stdout)
    assert found["same"] is False
    assert found["images"]["psnr"] > 10
    assert json.loads(run(a, b, "--json").stdout)["digests"][0] == fredfmt.digest(b)
    assert run(a, tmp_path / "none.fred").exit_code == 3
    assert "no such file" in run(a, tmp_path / "none.fred").stderr
