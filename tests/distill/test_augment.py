import math

import numpy as np
import pytest
import scipy.ndimage
import torch

import fredfmt
from fredfmt import ArgumentError
from fredfmt.distill import EvaluationConfig
from fredfmt.distill.augment import OPERATIONS, Augmentation, draw_augmentation, operations
from fredfmt.distill.runtime.randomness import generator


def batch(count=5, channels=3, height=13, width=17, dtype=torch.float64):
    smooth = scipy.ndimage.gaussian_filter(
        np.random.default_rng(2).normal(size=(count, channels, height, width)), (0, 0, 1.5, 1.5)
    )
    return torch.tensor(smooth, dtype=dtype)


def draws(rows, seed=0):
    return torch.rand(rows, 4, generator=generator(seed, "draws"))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_image_is_changed_by_its_own_draws(name):
    images, each = batch(), draws(5)
    together = Augmentation(name, each)(images)
    assert together.shape == images.shape
    for i in range(5):
        alone = Augmentation(name, each[i : i + 1])(images[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_siamese_draws_change_real_and_synthetic_images_alike(name):
    images, shared = batch(), draws(1, seed=7)
    both = Augmentation(name, shared)(images)
    torch.testing.assert_close(Augmentation(name, shared)(images[2:]), both[2:])
    assert not torch.equal(both, Augmentation(name, 1 - shared)(images))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_gradients(name):
    images = batch(2, 2, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(Augmentation(name, draws(2)), (images,))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_operation_changes_the_dtype_or_needs_a_square(name):
    images = batch(3, 1, 9, 31, dtype=torch.float32)
    assert Augmentation(name, draws(3))(images).dtype == torch.float32


def test_colour():
    images = batch()
    brightness, saturation, contrast = 0.9, 0.25, 0.7
    changed = Augmentation("color", torch.tensor([[brightness, saturation, contrast, 0]]))(images)
    expected = images.numpy() + brightness - 0.5
    grey = expected.mean(1, keepdims=True)
    expected = (expected - grey) * 2 * saturation + grey
    level = expected.mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(changed, (expected - level) * (contrast + 0.5) + level, atol=1e-6)


@pytest.mark.parametrize(("draw", "down", "right"), [((0.0, 0.99), 2, -2), ((0.5, 0.5), 0, 0), ((0.99, 0.3), -2, 1)])
def test_crop_shifts_by_whole_pixels_and_repeats_the_border(draw, down, right):
    images = batch()
    shifted = Augmentation("crop", torch.tensor([[*draw, 0, 0]]))(images)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    np.testing.assert_array_equal(shifted, padded[:, :, 2 - down : 15 - down, 2 - right : 19 - right])


def test_cutout_clears_a_rectangle_of_half_the_sides():
    images = torch.ones(1, 2, 13, 17)
    cut = Augmentation("cutout", torch.tensor([[0.5, 0.5, 0, 0]]))(images)
    rows, columns = np.nonzero(cut[0, 1].numpy() == 0)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 9, 4, 12)
    assert (cut == 0).sum() == 2 * 7 * 9
    corner = Augmentation("cutout", torch.tensor([[0.0, 0.0, 0, 0]]))(images)
    assert (corner[0, 0, :4, :5] == 0).all()
    assert (corner == 0).sum() == 2 * 4 * 5


def test_flip():
    images = batch(2)
    flipped = Augmentation("flip", torch.tensor([[0.2, 0, 0, 0], [0.8, 0, 0, 0]]))(images)
    assert torch.equal(flipped[0], images[0].flip(2))
    assert torch.equal(flipped[1], images[1])


@pytest.mark.parametrize("name", ["rotate", "scale"])
@pytest.mark.parametrize("draw", [(0.0, 0.9), (0.8, 0.3)])
def test_geometry_is_that_of_pixels_also_where_images_are_not_square(name, draw):
    images = batch()
    changed = Augmentation(name, torch.tensor([[*draw, 0, 0]], dtype=torch.float64))(images)
    if name == "rotate":
        angle = math.radians((draw[0] - 0.5) * 30)
        matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    else:
        matrix = np.diag([value * (1.2 - 1 / 1.2) + 1 / 1.2 for value in draw])
    centre = np.array([6, 8])
    for i in range(5):
        for c in range(3):
            expected = scipy.ndimage.affine_transform(
                images[i, c].numpy(), matrix, centre - matrix @ centre, order=1, mode="nearest"
            )
            np.testing.assert_allclose(changed[i, c], expected, atol=1e-6)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_volumes_that_are_the_same_at_every_depth_are_changed_as_their_slices(name):
    images, each = batch(), draws(5)
    each[:, 2] = 0.5  # along the depth: no shift, no scale; a cut through the middle
    volumes = images[:, :, None].expand(-1, -1, 7, -1, -1)
    changed = Augmentation(name, each[:, [2, 0, 1, 3]] if name in ("crop", "cutout", "scale") else each)(volumes)
    expected = Augmentation(name, each)(images)
    if name == "color":  # the level is that of the volume, which is that of each slice
        torch.testing.assert_close(changed[:, :, 0], expected)
    torch.testing.assert_close(changed[:, :, 3], expected)
    if name == "cutout":
        assert torch.equal(changed[:, :, 0], images)


def test_signals():
    signals = batch(height=1)[:, :, 0]
    for name in sorted({*OPERATIONS} - {"rotate"}):
        changed = Augmentation(name, draws(5))(signals)
        assert changed.shape == signals.shape
        assert not torch.equal(changed, signals)
    squeezed = Augmentation("scale", torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64))(signals)
    places = np.clip(8 + 1.2 * (np.arange(17) - 8), 0, 16)
    for signal, made in zip(signals.reshape(-1, 17), squeezed.reshape(-1, 17), strict=True):
        np.testing.assert_allclose(made, np.interp(places, np.arange(17), signal), atol=1e-6)
    with pytest.raises(ArgumentError, match=r"cannot be rotated.*'color_crop'"):
        operations("color_rotate_crop", 1)


def test_draws_depend_on_the_generator_alone():
    names = operations("color_crop_cutout_flip_scale_rotate")
    assert names == ("color", "crop", "cutout", "flip", "scale", "rotate")
    state = torch.get_rng_state()
    drawn = [draw_augmentation(names, generator(3, "augmentation", i), images=4) for i in range(60)]
    again = [draw_augmentation(names, generator(3, "augmentation", i), images=4) for i in range(60)]
    assert torch.equal(torch.get_rng_state(), state)
    assert {one.operation for one in drawn} == set(names)
    for one, same in zip(drawn, again, strict=True):
        assert one.operation == same.operation
        assert torch.equal(one.draws, same.draws)
    assert not torch.equal(drawn[0].draws, drawn[1].draws)


def test_no_augmentation():
    images = batch()
    assert draw_augmentation(operations("none"), generator(0, "x"))(images) is images


def test_unknown_operations_are_refused():
    with pytest.raises(ArgumentError, match="jitter"):
        operations("crop_jitter")


@pytest.mark.parametrize(("name", "flipped"), [("digits", False), ("svhn", False), ("cifar10", True), ("", True)])
def test_without_a_recipe_the_source_says_how_images_are_augmented(name, flipped):
    source = {"name": name} if name else {}
    images = np.zeros((2, 1, 6, 7), np.float32)
    data = fredfmt.encode(images, [0, 1], k=3, mask="low", source=source)
    assert ("flip" in EvaluationConfig.for_data(data).augmentation) == flipped
    assert EvaluationConfig.for_data(data, augmentation="flip").augmentation == "flip"
    told = fredfmt.encode(images, [0, 1], k=3, mask="low", source=source, recipe={"augmentation": "crop"})
    assert EvaluationConfig.for_data(told).augmentation == "crop"
    signal = fredfmt.encode(images[:, :, 0], [0, 1], k=3, mask="low")
    assert "rotate" not in EvaluationConfig.for_data(signal).augmentation
