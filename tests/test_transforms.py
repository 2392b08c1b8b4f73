"""Transforms against SciPy, PyWavelets and the definition of orthonormal."""

import numpy as np
import pytest
import pywt
import scipy.fft

import fredfmt
from fredfmt import ArgumentError, LimitError
from fredfmt.transforms import RESIZED, TRANSFORMS, analyse, live_frequencies, synthesis_matrix

SHAPES = [(19,), (13, 17), (8, 32), (5, 6, 7)]
BIJECTIVE = sorted(set(TRANSFORMS) - {"downsample"})


@pytest.mark.parametrize("name", BIJECTIVE)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 28, 45])
def test_columns_are_orthonormal(name, n):
    matrix = synthesis_matrix(name, n)
    assert matrix.shape == (n, n)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(n), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_dct_is_scipys_dctn(shape):
    images = np.random.default_rng(0).standard_normal((3, 2, *shape))
    axes = tuple(range(2, 2 + len(shape)))
    expected = scipy.fft.dctn(images, axes=axes, norm="ortho")
    np.testing.assert_allclose(analyse(images, "dct", len(shape)), expected, atol=1e-12)


@pytest.mark.parametrize("n", [9, 16])
def test_hartley_is_real_minus_imaginary_of_the_fft(n):
    signal = np.random.default_rng(1).standard_normal(n)
    spectrum = np.fft.fft(signal, norm="ortho")
    hartley = spectrum.real - spectrum.imag
    order = sorted(range(n), key=lambda f: (min(f, n - f), f > n - f))
    np.testing.assert_allclose(synthesis_matrix("hartley", n).T @ signal, hartley[order], atol=1e-12)


@pytest.mark.filterwarnings("ignore:Level value of")  # PyWavelets doubts levels whose filter wraps around
@pytest.mark.parametrize("name", ["haar", "db2"])
@pytest.mark.parametrize("n", [2, 8, 32])
def test_wavelets_are_those_of_pywavelets(name, n):
    signal = np.random.default_rng(2).standard_normal(n)
    expected = np.concatenate(pywt.wavedec(signal, name, mode="periodization", level=int(np.log2(n))))
    np.testing.assert_allclose(synthesis_matrix(name, n).T @ signal, expected, atol=1e-12)


@pytest.mark.parametrize("name", BIJECTIVE)
@pytest.mark.parametrize("shape", SHAPES)
def test_energy_and_image_survive_the_round_trip(name, shape):
    images = np.random.default_rng(3).standard_normal((2, 3, *shape))
    spectra = analyse(images, name, len(shape))
    assert np.square(spectra).sum() == pytest.approx(np.square(images).sum())
    restored = spectra
    for axis in range(2, images.ndim):
        matrix = synthesis_matrix(name, images.shape[axis])
        restored = np.moveaxis(np.moveaxis(restored, axis, -1) @ matrix.T, -1, axis)
    np.testing.assert_allclose(restored, images, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(BIJECTIVE) - {"identity"}))
def test_columns_run_from_coarse_to_fine(name):
    matrix = synthesis_matrix(name, 16)
    roughness = np.square(np.diff(matrix, axis=0)).sum(axis=0)
    assert roughness[0] < 1e-12
    assert roughness[:4].mean() < roughness[4:8].mean() < roughness[8:].mean()


@pytest.mark.parametrize("shape", SHAPES)
def test_downsample_keeps_the_means_of_blocks(shape):
    images = np.random.default_rng(4).standard_normal((2, 3, *shape))
    expected = images
    for axis in range(2, images.ndim):
        starts = np.arange(0, images.shape[axis], 2)
        lengths = np.diff([*starts, images.shape[axis]])
        means = np.add.reduceat(expected, starts, axis=axis) / np.expand_dims(
            lengths, [*range(axis), *range(axis + 1, images.ndim)]
        )
        expected = np.repeat(means, lengths, axis=axis)
    live = live_frequencies("downsample", shape)
    assert live.sum() == np.prod([(n + 1) // 2 for n in shape])
    labels = np.array([0, 1])
    data = fredfmt.encode(images.astype(np.float32), labels, k=int(live.sum()), transform="downsample", step=None)
    assert live[data.frequencies].all()
    np.testing.assert_allclose(fredfmt.decode(data).numpy(), expected, atol=1e-5)
    error = np.sqrt(np.square(images - expected).mean())
    assert data.metadata.reconstruction["rmse"] == pytest.approx(error, rel=1e-5)
    with pytest.raises(ArgumentError, match="k is out of range"):
        fredfmt.encode(images.astype(np.float32), labels, k=int(live.sum()) + 1, transform="downsample")


@pytest.mark.parametrize("name", RESIZED)
def test_a_resized_basis_samples_the_same_function(name):
    n, finer = 13, 39
    # the centres of every third cell of the finer grid are the centres of the coarse grid
    np.testing.assert_allclose(synthesis_matrix(name, n, finer)[1::3], synthesis_matrix(name, n), atol=1e-12)


def test_unknown_names_and_sizes_are_refused():
    with pytest.raises(ArgumentError, match=r"no such transform.*'dft'"):
        synthesis_matrix("dft", 8)
    with pytest.raises(ArgumentError, match="'haar' cannot decode at other sizes"):
        synthesis_matrix("haar", 8, 16)
    with pytest.raises(ArgumentError, match="at least 1"):
        synthesis_matrix("dct", 8, 0)


@pytest.mark.parametrize("shape", [(13, 17), (5, 6, 7), (300,)])
def test_coefficients_of_float32_have_its_error_and_depend_on_nothing_else(shape):
    """An image's coefficients are the same bits alone and among others, whatever the memory layout."""
    images = (
        np.random.default_rng(0).normal(size=(6, 2, *shape))
        * 10.0 ** np.arange(-3, 3).reshape(6, *[1] * (len(shape) + 1))
    ).astype(np.float32)
    found = analyse(images, "dct", len(shape))
    assert found.dtype == np.float32
    exact = analyse(images.astype(np.float64), "dct", len(shape))
    largest = np.abs(exact).reshape(6, -1).max(axis=1).reshape(6, *[1] * (len(shape) + 1))
    assert (np.abs(found - exact) <= 1e-6 * largest).all()
    np.testing.assert_array_equal(analyse(images[3:4], "dct", len(shape)), found[3:4])
    np.testing.assert_array_equal(analyse(np.asfortranarray(images), "dct", len(shape)), found)
    assert not analyse(np.zeros((1, 1, 4, 4), np.float32), "dct", 2).any()


def test_the_identity_is_exact():
    images = np.random.default_rng(0).random((3, 2, 5, 7), np.float32) ** 20
    np.testing.assert_array_equal(analyse(images, "identity", 2), images)


def test_an_axis_that_is_too_long_is_refused_before_its_matrix_is_made():
    with pytest.raises(LimitError, match="at most 16,384 positions, found 65,536"):
        synthesis_matrix("dct", 1 << 16)
    with pytest.raises(LimitError, match="found 2,097,152"):
        synthesis_matrix("dct", 256, 1 << 21)
