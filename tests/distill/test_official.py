"""The official code's parametrisation against ours: un-normalised dense coefficients under SGD."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import torch

from fredfmt.data.sources import Source
from fredfmt.distill import DistillConfig, FrequencySynset
from fredfmt.distill.synset.start import initial_data
from fredfmt.model.parts import Normalization


@pytest.fixture(scope="module", params=[(12, 12), (13, 17), (6, 6, 6)], ids=str)
def start(request):
    """A start of three instances a class, all frequencies but a few kept, zero frequencies included."""
    shape = request.param
    source = Source(
        name="noise",
        split="train",
        images=np.random.default_rng(0).random((12, 2, *shape), np.float32),
        labels=np.arange(12) % 3,
        classes=("a", "b", "c"),
        normalization=Normalization((0.5, 0.5), (0.3, 0.3)),
    )
    size = int(np.prod(shape))
    return initial_data(source, DistillConfig(ipc=3, k=size - 5, mask="low"))


def kept(spectra, data):
    """(instance, channel, frequency) of dense spectra."""
    places = data.frequencies[data.mask_of].astype(np.int64)[:, None]
    flat = spectra.reshape(*spectra.shape[:2], -1)
    return np.take_along_axis(flat, np.broadcast_to(places, (*flat.shape[:2], data.k)), axis=2)


def factors(data):
    """(instance, 1, frequency) the un-normalised coefficient of an orthonormal one, and how many axes are at zero."""
    shape = data.metadata.spatial_shape
    places = np.unravel_index(data.frequencies[data.mask_of].astype(np.int64), shape)
    zeros = sum((place == 0).astype(int) for place in places)
    scale = np.prod([np.where(place == 0, 2 * np.sqrt(n), np.sqrt(2 * n)) for place, n in zip(places, shape)], axis=0)  # noqa: B905
    return scale[:, None], zeros[:, None]


def test_the_official_coefficients_rescaled_are_ours(start):
    axes = tuple(range(2, 2 + len(start.metadata.spatial_shape)))
    images = FrequencySynset.from_data(start)().detach().double().numpy()
    theirs = kept(scipy.fft.dctn(images, axes=axes, norm=None), start)
    scale, _ = factors(start)
    np.testing.assert_allclose(theirs / scale, start.coefficients, atol=2e-5)


def test_one_step_of_sgd_in_either_basis(start):
    """Equal above frequency zero with the rate divided by S squared; 2 times slower for each axis at zero."""
    shape = start.metadata.spatial_shape
    matrices = [torch.tensor(scipy.fft.idct(np.eye(n), axis=0, norm=None)) for n in shape]
    axes = tuple(range(2, 2 + len(shape)))
    images = FrequencySynset.from_data(start)().detach().double()
    goal = torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss(made):
        return ((made - goal).abs().pow(3)).mean()

    spectra = torch.tensor(scipy.fft.dctn(images.numpy(), axes=axes, norm=None)).requires_grad_()
    made = spectra
    for axis, matrix in zip(axes, matrices, strict=True):
        made = torch.tensordot(matrix, made.movedim(axis, 0), 1).movedim(0, axis)
    torch.testing.assert_close(made, images, atol=1e-9, rtol=0)
    official_lr = 1e4
    loss(made).backward()
    step = -official_lr * kept(spectra.grad.numpy(), start)  # SGD's first step, momentum or not

    squared = 2 ** len(shape) * np.prod(shape)  # 4 N^2 for an image
    synset = FrequencySynset.from_data(start)
    optimizer = torch.optim.SGD(synset.parameters(), lr=official_lr / squared, momentum=0.5)
    before = synset.coefficients.detach().clone()
    loss(synset().double()).backward()
    optimizer.step()
    ours = (synset.coefficients.detach() - before).numpy()

    scale, zeros = factors(start)
    theirs = step / scale  # in orthonormal units
    assert set(np.unique(zeros)) == set(range(len(shape) + 1))
    np.testing.assert_allclose(theirs * 2.0**zeros, ours, rtol=2e-3, atol=2e-4 * np.abs(ours).max())


def test_rates_of_the_page_are_the_official_ones_converted():
    """docs/official-settings.md: ``--lr`` is ``lr_freq`` divided by the square of S above frequency zero."""
    page = (Path(__file__).parents[2] / "docs" / "official-settings.md").read_text()
    rates = re.findall(r"\(`lr_freq` (\S+),[^)]*\).*?--lr (\S+)", page, re.DOTALL)
    squares = [4 * 32**2] * 3 + [8 * 16**3]  # three runs on images of 32 x 32, one on volumes
    assert [float(ours) for _, ours in rates] == pytest.approx(
        [float(official) / square for (official, _), square in zip(rates, squares, strict=True)], rel=2e-3
    )
