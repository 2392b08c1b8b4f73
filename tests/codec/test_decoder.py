"""Decoding against SciPy and plain dense synthesis: every transform, dimension, option and way of synthesis."""

import gc
import weakref

import numpy as np
import pytest
import scipy.fft
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import fredfmt.codec.decoder
from fredfmt import ArgumentError, Decoder, FredError, decode, encode
from fredfmt.codec.synthesis import BasisSynthesis, SeparableSynthesis
from fredfmt.transforms import TRANSFORMS, synthesis_matrix

SHAPES = [(23,), (13, 17), (5, 6, 7)]


def make(shape=(13, 17), transform="dct", step=0.25, k=11, base=False, count=14):
    """Fourteen instances of two channels and three masks, classes mixed."""
    images = np.random.default_rng(7).standard_normal((count, 2, *shape)).astype(np.float32)
    return encode(images, np.arange(count) % 3, k=k, transform=transform, step=step, base=base)


def expected(data, k=None, size=None):
    """(N, C, *size) by a dense array of all frequencies and one full product an axis, float64."""
    meta, k = data.metadata, data.k if k is None else k
    spectra = np.zeros((len(data), meta.channels, int(np.prod(meta.spatial_shape))))
    values = data.coefficients.astype(np.float64)
    if data.base is not None:
        values = values + data.base[data.mask_of]
    for instance, mask in enumerate(data.mask_of):
        spectra[instance][:, data.frequencies[mask][:k]] = values[instance][:, :k] * data.step
    images = spectra.reshape(len(data), meta.channels, *meta.spatial_shape)
    for axis, length in enumerate(meta.spatial_shape):
        matrix = synthesis_matrix(meta.transform, length, None if size is None else size[axis])
        images = np.moveaxis(np.moveaxis(images, axis + 2, -1) @ matrix.T, -1, axis + 2)
    return images


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("base", [False, True])
def test_decoding_is_dense_synthesis(shape, transform, base):
    data = make(shape, transform, base=base)
    np.testing.assert_allclose(decode(data), expected(data), atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_dct_is_scipys_idctn(shape):
    data = make(shape)
    spectra = np.zeros((14, 2, int(np.prod(shape))))
    for instance, mask in enumerate(data.mask_of):
        spectra[instance][:, data.frequencies[mask]] = data.coefficients[instance] * 0.25
    axes = tuple(range(2, 2 + len(shape)))
    images = scipy.fft.idctn(spectra.reshape(14, 2, *shape), axes=axes, norm="ortho")
    np.testing.assert_allclose(decode(data, dtype=torch.float64), images, atol=1e-12)


@pytest.mark.parametrize("way", [SeparableSynthesis, BasisSynthesis, None])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("base", [False, True])
def test_every_way_of_synthesis_gives_the_same(monkeypatch, way, shape, base):
    if way:
        monkeypatch.setenv("FREDFMT_KERNEL", "torch")
        monkeypatch.setattr(fredfmt.codec.decoder, "fastest", way)
    monkeypatch.setattr(fredfmt.codec.decoder, "SCRATCH_BYTES", 4096)
    data = make(shape, base=base)
    decoder = Decoder.of(data)
    masks = torch.from_numpy(data.mask_of.astype(np.int64))
    images = expected(data)
    stored = torch.tensor(data.coefficients)
    np.testing.assert_allclose(decoder(stored, masks), images, atol=2e-6)
    with_gradient = stored.float().requires_grad_()
    np.testing.assert_allclose(decoder(with_gradient, masks).detach(), images, atol=2e-6)
    for mask in range(3):
        mine = data.mask_of == mask
        np.testing.assert_allclose(decoder(stored[torch.from_numpy(mine)], mask), images[mine], atol=2e-6)


@pytest.mark.parametrize("mask", [-1, 3, 2**40])
def test_a_mask_outside_is_refused(mask):
    masks = torch.tensor([0, 1, mask, 2])
    with pytest.raises((FredError, IndexError)):
        Decoder.of(make())(torch.zeros(4, 2, 11), masks)


@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("way", [SeparableSynthesis, BasisSynthesis])
def test_first_and_second_derivatives(monkeypatch, way, base):
    monkeypatch.setattr(fredfmt.codec.decoder, "fastest", way)
    data = make((4, 5), k=3, base=base, count=6)
    decoder = Decoder.of(data, dtype=torch.float64)
    masks = torch.from_numpy(data.mask_of.astype(np.int64))
    coefficients = torch.tensor(data.coefficients, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: decoder(x, masks).tanh(), coefficients)
    assert torch.autograd.gradgradcheck(lambda x: decoder(x, masks).tanh(), coefficients)


def test_decode_is_differentiable_in_given_coefficients():
    data = make()
    coefficients = torch.tensor(data.coefficients, dtype=torch.float32, requires_grad=True)
    decode(data, [3, 3, 1], coefficients=coefficients).sum().backward()
    touched = coefficients.grad.abs().sum(dim=(1, 2)) > 0
    assert touched.nonzero().flatten().tolist() == [1, 3]


def test_indices_in_any_order_with_repeats():
    data = make()
    images = expected(data)
    for rows in ([3, 1, 2], [5, 5, -1], np.array([0, 13]), torch.tensor([2]), range(4, 7), []):
        found = decode(data, rows)
        wanted = images[np.asarray(rows, dtype=int)]
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    np.testing.assert_allclose(decode(data, 5), images[5], atol=2e-6)
    np.testing.assert_allclose(decode(data, -2), images[12], atol=2e-6)


@pytest.mark.parametrize("rows", [[14], [-15], 14])
def test_an_index_outside_is_an_index_error(rows):
    with pytest.raises(IndexError, match="-14 to 13"):
        decode(make(), rows)
    with pytest.raises(FredError):
        decode(make(), rows)


@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("k", [1, 4, 11])
def test_a_prefix_of_the_frequencies(k, base):
    data = make(base=base)
    np.testing.assert_allclose(decode(data, k=k), expected(data, k=k), atol=2e-6)


@pytest.mark.parametrize("size", [(26, 34), (7, 17), (13, 5)])
def test_another_size_evaluates_the_cosines_there(size):
    data = make()
    np.testing.assert_allclose(decode(data, size=size), expected(data, size=size), atol=2e-6)


def test_a_finer_picture_has_the_coarse_one_at_its_centres():
    data = make()
    np.testing.assert_allclose(decode(data, size=(39, 51))[..., 1::3, 1::3], decode(data), atol=2e-6)
    assert decode(data, size=20).shape == (14, 2, 20, 20)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_floating_point_types(dtype):
    data = make()
    found = decode(data, dtype=dtype)
    assert found.dtype == dtype
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    np.testing.assert_allclose(found.double(), expected(data), atol=tolerance)


def test_zero_to_one_through_the_normalisation():
    images = np.random.default_rng(0).random((9, 2, 5, 7)).astype(np.float32)
    mean, std = np.array([0.4, 0.6]), np.array([0.2, 0.3])
    normalised = ((images - mean[:, None, None]) / std[:, None, None]).astype(np.float32)
    data = encode(normalised, np.arange(9) % 3, k=35, step=None, normalization=(mean, std))
    np.testing.assert_allclose(decode(data, normalized=False), images, atol=1e-6)
    np.testing.assert_allclose(decode(data), normalised, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is out of range; expected 1 to 11"),
        ({"k": 12}, "k is out of range"),
        ({"size": (5,)}, r"unusable size; expected an integer of at least 1, or 2 of them.*found \(5,\)"),
        ({"size": 8.0}, "unusable size"),
        ({"size": (8, "9")}, "unusable size"),
        ({"size": (5, 0)}, "at least 1"),
        ({"dtype": torch.int32}, "floating point"),
        ({"indices": [0.5]}, "integers"),
        ({"indices": [[1, 2]]}, "integers"),
        ({"indices": np.ones(14, bool)}, "integers"),
        ({"coefficients": torch.zeros(14, 2, 10)}, "coefficients: wrong shape"),
    ],
)
def test_unusable_options_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        decode(make(), **options)
    with pytest.raises(ArgumentError, match="cannot decode at other sizes"):
        decode(make(transform="haar"), size=(26, 34))


def test_unusable_tensors_are_refused():
    decoder = Decoder.of(make())
    with pytest.raises(ArgumentError, match="coefficients: wrong shape"):
        decoder(torch.zeros(4, 11), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ArgumentError, match="not one mask per instance"):
        decoder(torch.zeros(4, 2, 11), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ArgumentError, match="no such mask"):
        decoder(torch.zeros(4, 2, 11), 3)


@pytest.mark.needs("fake GPUs")
def test_a_gpu_is_used_where_asked_and_never_waited_for():
    data = make(base=True)
    with FakeTensorMode():
        decoder = Decoder.of(data, device="cuda:0")
        coefficients = torch.empty(6, 2, 11, dtype=torch.int16, device="cuda:0")
        for masks in (torch.zeros(6, dtype=torch.int64), torch.zeros(6, dtype=torch.int64, device="cuda:0")):
            images = decoder(coefficients, masks)
            assert (images.device.type, images.shape) == ("cuda", (6, 2, 13, 17))


def test_the_meta_device():
    decoder = Decoder.of(make(), device="meta")
    images = decoder(torch.empty(6, 2, 11, device="meta"), torch.zeros(6, dtype=torch.int64, device="meta"))
    assert (images.device.type, images.shape) == ("meta", (6, 2, 13, 17))


def test_decoders_are_kept_with_their_data_and_no_longer(monkeypatch):
    made, make_one = [], Decoder.of

    def noted(*given, **options):
        decoder = make_one(*given, **options)
        made.append(weakref.ref(decoder))
        return decoder

    monkeypatch.setattr(Decoder, "of", noted)
    data = make()
    decode(data)
    decode(data, [1])
    assert len(made) == 1
    decode(data, dtype=torch.float64)
    assert len(made) == 2
    assert all(decoder() is not None for decoder in made)
    del data
    gc.collect()
    assert all(decoder() is None for decoder in made)
