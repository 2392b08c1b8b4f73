"""The transform along the channels: when there is one, its coefficients, its images and what it saves."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch

from fredfmt import ArgumentError, Decoder, FormatError, FreDDataset, decode, digest, encode, load, save, validate
from fredfmt.storage.files import packed_size
from fredfmt.view.pictures import pictures

LABELS = np.arange(12) % 3
TYPES = (torch.float64, torch.float16)


def coloured(channels=3, shape=(16, 12), count=12):
    """Smooth images whose channels are similar, as those of photographs are."""
    generator = np.random.default_rng(5)
    decay = 1 / (1 + np.indices(shape).sum(axis=0)) ** 1.2
    grey = generator.standard_normal((count, 1, *shape)) * decay * 12
    colours = generator.standard_normal((count, channels, *shape)) * decay * 2
    return scipy.fft.idctn(grey + colours, axes=(2, 3), norm="ortho").astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "options", "found"),
    [
        ((3, 9, 7), {}, "dct"),
        ((3, 4, 5, 6), {}, "dct"),
        ((3, 9, 7), {"step": 2.0}, "dct"),
        ((3, 9, 7), {"target_rmse": 0.1}, "dct"),
        ((3, 9, 7), {"max_bytes": 3000}, "dct"),
        ((3, 9, 7), {"transform": "haar"}, "dct"),
        ((3, 9, 7), {"transform": "identity"}, None),
        ((3, 9, 7), {"step": None}, None),
        ((3, 9, 7), {"step": "float16"}, None),
        ((3, 9, 7), {"channel_transform": "none"}, None),
        ((3, 50), {}, None),
        ((1, 9, 7), {}, None),
        ((2, 9, 7), {}, None),
        ((4, 9, 7), {}, None),
        ((4, 9, 7), {"channel_transform": "dct"}, "dct"),
        ((3, 9, 7), {"channel_transform": "dct", "step": None}, "dct"),
        ((1, 9, 7), {"channel_transform": "dct"}, None),
    ],
)
def test_colour_images_that_are_quantised_have_one(shape, options, found):
    images = np.random.default_rng(0).standard_normal((12, *shape)).astype(np.float32)
    assert encode(images, LABELS, k=20, **options).metadata.channel_transform == found


@pytest.mark.parametrize("wrong", ["haar", "", None, True, 3])
def test_another_value_is_refused(wrong):
    with pytest.raises(ArgumentError, match="unknown channel_transform; expected auto or dct or none"):
        encode(coloured(), LABELS, k=5, channel_transform=wrong)


def test_a_file_with_another_transform_is_refused():
    data = encode(coloured(), LABELS, k=5)
    with pytest.raises(FormatError, match="FRED-123"):
        replace(data.metadata, channel_transform="haar")


@pytest.mark.parametrize("channels", [2, 3, 5])
def test_coefficients_are_those_of_scipys_dctn_over_all_axes(channels):
    images = coloured(channels)
    data = encode(images, LABELS, k=192, step=None, channel_transform="dct", channels=channels)
    expected = scipy.fft.dctn(images.astype(np.float64), axes=(1, 2, 3), norm="ortho").reshape(12, channels, -1)
    found = np.take_along_axis(expected, data.frequencies[LABELS][:, None].astype(int), axis=2)
    np.testing.assert_allclose(data.coefficients, found, atol=2e-5)
    np.testing.assert_allclose(decode(data), images, atol=1e-5)
    np.testing.assert_allclose(pictures(data, range(12)), images, atol=1e-5)


@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"size": (24, 9)}, {"k": 7}, {"dtype": torch.float64}, {"dtype": torch.float16}]
)
def test_images_are_those_of_the_channels_by_themselves(base, options):
    """The same values in a file without the transform decode to the same images."""
    data = encode(coloured(), LABELS, k=40, step=0.25, base=base)
    plain = encode(decode(data), LABELS, k=40, step=None, mask=data.frequencies, channel_transform="none")
    tolerance = 2e-3 if options.get("dtype") == torch.float16 else 2e-5
    torch.testing.assert_close(decode(data, **options), decode(plain, **options), rtol=0, atol=tolerance)


def test_gradients_are_those_of_a_linear_function():
    data = encode(coloured(), LABELS, k=40, step=0.25)
    values = torch.from_numpy(data.coefficients.astype(np.float32)).requires_grad_()
    masks = torch.from_numpy(data.mask_of.astype(np.int64))
    decoder = Decoder.of(data)
    slope = torch.randn(12, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(decoder(values, masks), values, slope)
    spectra = scipy.fft.dctn(slope.numpy().astype(np.float64), axes=(1, 2, 3), norm="ortho").reshape(12, 3, -1) * 0.25
    expected = np.take_along_axis(spectra, data.frequencies[LABELS][:, None].astype(int), axis=2)
    np.testing.assert_allclose(gradient, expected, atol=2e-5)
    with torch.autocast("cpu"):
        torch.testing.assert_close(decoder(values, masks).detach(), decode(data), rtol=0, atol=2e-5)


def test_the_wrong_number_of_channels_is_refused():
    decoder = Decoder.of(encode(coloured(), LABELS, k=40))
    with pytest.raises(ArgumentError, match="coefficients: wrong number of channels; expected 3, found 1"):
        decoder(torch.zeros(2, 1, 40), 0)


@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr", ".fred.h5"])
def test_files_keep_it(tmp_path, suffix):
    data = encode(coloured(), LABELS, k=40, license="CC0-1.0", source={"name": "made up"})
    save(data, tmp_path / f"a{suffix}")
    read = load(tmp_path / f"a{suffix}")
    assert read == data
    assert "dct, also along the channels" in repr(read)
    assert validate(tmp_path / f"a{suffix}").valid
    image, _ = FreDDataset(tmp_path / f"a{suffix}")[5]
    torch.testing.assert_close(image, decode(data, 5))
    assert digest(data) != digest(replace(data, metadata=replace(data.metadata, channel_transform=None)))


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_the_same_error_takes_fewer_bytes(step):
    images, labels = coloured(shape=(32, 32), count=60), np.arange(60) % 3
    plain = encode(images, labels, k=300, step=step, channel_transform="none")
    data = encode(images, labels, k=300, target_rmse=plain.metadata.quantization.error_rms, rounding="nearest")
    assert data.metadata.reconstruction["rmse"] <= plain.metadata.reconstruction["rmse"] * 1.001
    assert packed_size(data) < 0.9 * packed_size(plain)
