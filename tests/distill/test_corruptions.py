import io

import numpy as np
import pytest
import torch
from PIL import Image

from fredfmt import ArgumentError
from fredfmt.codec.views import Normalized
from fredfmt.distill import CorruptionConfig
from fredfmt.distill.evaluation.corruptions import CORRUPTIONS, Corrupted, corrupt, corruption_names
from fredfmt.model.parts import Normalization


def coloured(count, height, width, channels=3):
    """Smooth images with edges in them."""
    chance = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    phase = chance.uniform(0, 6, (count, channels, 1, 1))
    waves = 0.5 + 0.3 * np.sin(x / width * 7 + phase) * np.cos(y / height * 5 + phase)
    waves[:, :, height // 4 : height // 2, width // 3 :] *= 0.4
    return torch.tensor(waves, dtype=torch.float32)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_is_distance_from_the_clean_image(name, digits_test):
    real = torch.from_numpy(digits_test.images[:60].astype(np.float32))
    for images in (real, coloured(40, 13, 17)):
        corrupted = [corrupt(images, name, severity) for severity in (1, 3, 5)]
        for one in corrupted:
            assert one.shape == images.shape
            assert one.dtype == torch.float32
            assert one.min() >= 0
            assert one.max() <= 1
        first, second, third = ((one - images).square().mean().sqrt() for one in corrupted)
        assert 0.005 < first < second < third < 0.55


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(8, 8), (13, 17)])
def test_an_image_is_corrupted_alike_whatever_comes_with_it(name, shape):
    images = coloured(6, *shape)
    state = torch.get_rng_state()
    together = corrupt(images, name, 3, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    for index in (0, 3, 5):
        alone = corrupt(images[index : index + 1], name, 3, seed=4, indices=np.array([index]))
        torch.testing.assert_close(alone[0], together[index], rtol=0, atol=1e-6)
    assert torch.equal(corrupt(images, name, 3, seed=4), together)


def test_draws_differ_by_image_and_seed():
    images = coloured(1, 13, 17).expand(5, -1, -1, -1)
    drawn = [
        name for name in CORRUPTIONS if name not in ("gaussian_blur", "contrast", "brightness", "pixelate", "jpeg")
    ]
    for name in drawn:
        one, other = corrupt(images, name, 3), corrupt(images, name, 3, seed=1)
        assert len(one.flatten(1).unique(dim=0)) > 1, name
        assert not torch.equal(one, other), name


@pytest.mark.parametrize("shape", [(8, 8), (13, 17), (9, 256), (256, 200)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_shapes(shape, channels):
    images = coloured(2, *shape, channels)
    for name in CORRUPTIONS:
        assert corrupt(images, name, 5).shape == images.shape


def test_oracles(digits_test):
    images = torch.from_numpy(digits_test.images[:4].astype(np.float32)) * 0.5
    torch.testing.assert_close(corrupt(images, "brightness", 3), images + 0.26)
    level = images.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(corrupt(images, "contrast", 5), (images - level) * 0.18 + level)
    written = io.BytesIO()
    pixels = np.uint8(np.round(images[1, 0].numpy() * 255))
    Image.fromarray(pixels).save(written, "JPEG", quality=18)
    np.testing.assert_array_equal(corrupt(images, "jpeg", 3)[1, 0] * 255, np.asarray(Image.open(written)))
    flat = torch.full((2, 3, 13, 17), 0.25)
    for name in ("gaussian_blur", "motion_blur", "pixelate", "elastic", "rotate", "translate", "contrast"):
        torch.testing.assert_close(corrupt(flat, name, 5), flat)
    grey = torch.full((3, 1, 64, 80), 0.5)
    assert corrupt(grey, "gaussian_noise", 2).std().item() == pytest.approx(0.08, rel=0.05)
    assert corrupt(grey, "shot_noise", 2).var().item() == pytest.approx(0.5 / 40, rel=0.05)
    broken = corrupt(grey, "impulse_noise", 4)
    assert broken.eq(1).float().mean().item() == pytest.approx(0.075, rel=0.1)
    assert broken.eq(0).float().mean().item() == pytest.approx(0.075, rel=0.1)


def test_geometry_moves_as_far_as_it_says():
    images = torch.zeros(5, 1, 21, 33)
    images[:, :, 10, 16] = 1
    y, x = torch.meshgrid(torch.arange(21.0), torch.arange(33.0), indexing="ij")

    def centres(of):
        mass = of.sum((1, 2, 3))
        return torch.stack([(of[:, 0] * place).sum((1, 2)) / mass for place in (y, x)], 1)

    centre = torch.tensor([10.0, 16.0])
    sides = torch.tensor([21.0, 33.0])
    shifts = (centres(corrupt(images, "translate", 3)) - centre) / sides
    torch.testing.assert_close(shifts.norm(dim=1), torch.full((5,), 0.13), rtol=1e-3, atol=0)
    torch.testing.assert_close(centres(corrupt(images, "rotate", 5)), centre.expand(5, 2), rtol=0, atol=0.01)
    off = torch.zeros(5, 1, 21, 33)
    off[:, :, 10, 22] = 1
    arms = centres(corrupt(off, "rotate", 3)) - centre
    torch.testing.assert_close(arms.norm(dim=1), torch.full((5,), 6.0), rtol=0.03, atol=0)
    angles = torch.rad2deg(torch.atan2(arms[:, 0], arms[:, 1])).abs()
    torch.testing.assert_close(angles, torch.full((5,), 21.0), rtol=0.05, atol=0)
    widths = [corrupt(images, "gaussian_blur", severity)[0, 0, 10] for severity in (3, 5)]
    deviations = [((wide / wide.sum() * (x[0] - 16) ** 2).sum()).sqrt().item() for wide in widths]
    assert deviations == pytest.approx([0.17 * 21**0.5, 0.28 * 21**0.5], rel=0.07)


def test_a_corrupted_view_is_normalised_as_clean_images_are(digits_test):
    """Corrupted in 0..1, then normalised by the statistics of the train split: those of clean images."""
    pixels = (digits_test.images[:40] * 255).astype(np.uint8)
    view = Corrupted(pixels, "fog", 5, seed=2)
    expected = corrupt(torch.from_numpy(pixels.astype(np.float32) / 255), "fog", 5, seed=2).numpy()
    np.testing.assert_array_equal(view[5:9], expected[5:9])
    np.testing.assert_array_equal(view[np.array([7, 2])], expected[[7, 2]])
    assert (view.shape, len(view), view[:0].shape) == (pixels.shape, 40, (0, 1, 8, 8))
    normalized = Normalized(view, Normalization((0.3,), (0.2,)))
    np.testing.assert_allclose(normalized[5:9], (expected[5:9] - 0.3) / 0.2, atol=1e-6)


def test_what_makes_no_sense_is_refused():
    images = coloured(1, 8, 8)
    with pytest.raises(ArgumentError, match="no such corruption"):
        corrupt(images, "snow", 3)
    with pytest.raises(ArgumentError, match="no such severity"):
        corrupt(images, "fog", 6)
    with pytest.raises(ArgumentError, match="height, width"):
        corrupt(torch.zeros(2, 1, 8, 8, 8), "fog", 3)
    with pytest.raises(ArgumentError, match="snow"):
        corruption_names(CorruptionConfig(names=("fog", "snow")))
    for wrong in ({"severities": ()}, {"severities": (0, 3)}, {"severities": (3, 3)}, {"names": ("fog", "fog")}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            CorruptionConfig(**wrong)
    assert CorruptionConfig.from_json(CorruptionConfig(names=["fog"]).to_json()) == CorruptionConfig(names=("fog",))
