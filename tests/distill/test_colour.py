"""Colour images: their channels are transformed, too, at the start, in the loop, in files and in baselines."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch

from fredfmt import decode
from fredfmt.data.coding import encode_source
from fredfmt.distill import DistillConfig, FrequencySynset, distill, own_start
from fredfmt.distill.choosing import choose
from fredfmt.distill.evaluation.baselines import coded_images
from fredfmt.distill.evaluation.coarse import Coarse
from fredfmt.distill.synset.start import chosen_images
from fredfmt.model.parts import Normalization
from fredfmt.storage.files import packed_size

SMALL = {"ipc": 0.3, "k": 20, "step": 0.2, "network": {"width": 4, "depth": 2}, "augmentation": "none"}


@pytest.fixture(scope="module")
def photographs(patches):
    """The patches in three similar channels."""
    one, other = patches.images[:, :1], patches.images[:, 1:]
    images = np.concatenate([one, 0.8 * one + 0.2 * other, 0.6 * one + 0.4 * other], axis=1)
    return replace(patches, images=images, normalization=Normalization((0.5, 0.5, 0.48), (0.15, 0.15, 0.16)))


def test_a_run_starts_from_the_images_and_learns_in_the_transformed_channels(photographs):
    config = DistillConfig(objective="dm", iterations=0, batch_real=3, **SMALL)
    start = distill(photographs, config)
    assert start.metadata.channel_transform == "dct"
    assert start.coefficients.tobytes() == own_start(start, photographs).coefficients.tobytes()
    exact = encode_source(chosen_images(photographs, config), k=20, mask=start.frequencies, step=None)
    torch.testing.assert_close(decode(start), decode(exact), rtol=0, atol=0.2 * 60**0.5)
    assert (decode(start) - decode(exact)).square().mean().sqrt() < 0.2 / 12**0.5
    learned = distill(photographs, config.replace(iterations=3))
    assert learned.metadata.channel_transform == "dct"
    assert not np.array_equal(learned.coefficients, start.coefficients)
    synset = FrequencySynset.from_data(learned)
    torch.testing.assert_close(synset.images(), decode(learned))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, "dct"),
        ({"channel_transform": "none"}, None),
        ({"step": None}, None),
        ({"step": None, "channel_transform": "dct"}, "dct"),
        ({"transform": "identity"}, None),
    ],
)
def test_settings_decide(photographs, settings, found):
    config = DistillConfig(objective="dm", iterations=1, batch_real=3, **{**SMALL, **settings})
    data = distill(photographs, config)
    assert data.metadata.channel_transform == found
    assert own_start(data, photographs).metadata.channel_transform == found
    assert DistillConfig.from_json(data.metadata.distillation) == config


def test_settings_of_older_files_have_none(photographs, patches):
    older = DistillConfig.from_json({"defaults": 3, "objective": {"name": "frepo"}})
    assert older.channel_transform(photographs) == "none"
    assert DistillConfig().channel_transform(photographs) == "dct"
    assert DistillConfig().channel_transform(patches) == "none"


@pytest.mark.parametrize(("along", "found"), [("auto", "dct"), ("none", None)])
def test_chosen_settings_keep_it(photographs, hasty, along, found):
    many = photographs.subset(np.tile(np.arange(41), 4))
    chosen = choose(many, 1500, network={"width": 4, "depth": 2}, channel_transform=along)
    data = distill(many, chosen.config)
    assert data.metadata.channel_transform == found
    assert packed_size(data) <= 1500


def test_coded_images_have_it(photographs):
    assert coded_images(photographs, 1500).metadata.channel_transform == "dct"
    assert coded_images(photographs, 1500, channel_transform="none").metadata.channel_transform is None


def test_a_teacher_sees_coarse_colours(photographs):
    images = torch.from_numpy(photographs.normalized[:])
    coarse = Coarse((3, 13, 17), "dct", "cpu", channel_transform="dct")
    seen = coarse.reader(lambda rows: images[rows], 2)(torch.arange(41))
    changed = seen.ne(images).flatten(1).any(1)
    assert 10 < changed.sum() < 31
    spectra = scipy.fft.dctn(seen[changed].double().numpy(), axes=(1, 2, 3), norm="ortho")
    for spectrum in np.abs(spectra):
        step = spectrum[spectrum > 0.1].min()
        np.testing.assert_allclose(spectrum / step, np.round(spectrum / step), atol=1e-3)
