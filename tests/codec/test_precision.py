"""Images are exact inside `torch.autocast`, on the CPU and on a GPU, and so are their derivatives."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import fredfmt.codec.gate
from fredfmt import Decoder, FreDDataset, FreDLoader, decode, encode
from fredfmt.data.sources import ZCA, open_source
from fredfmt.distill import FrequencySynset

HALF = [torch.bfloat16, torch.float16]
half = pytest.mark.parametrize("dtype", HALF)
ways = pytest.mark.parametrize("way", ["torch", ""])


@pytest.fixture
def data():
    images = np.random.default_rng(7).random((14, 2, 13, 17)).astype(np.float32)
    return encode(images, np.arange(14) % 3, k=11, step=0.25, normalization=([0.3, 0.4], [0.2, 0.25]))


@half
@ways
def test_every_public_call(data, way, dtype, monkeypatch):
    monkeypatch.setenv("FREDFMT_KERNEL", way)
    masks = torch.from_numpy(data.mask_of.astype(np.int64))
    stored = torch.from_numpy(data.coefficients.copy())

    def images():
        synset = FrequencySynset.from_data(data)
        yield decode(data)
        yield decode(data, [3, 1], normalized=False)
        yield decode(data, [0, 3])
        yield decode(data, 5, size=(20, 30), k=4)
        yield decode(data, coefficients=stored.float().requires_grad_())
        yield Decoder.of(data)(stored, masks)
        yield Decoder.of(data)(stored, 1)
        yield FreDDataset(data)[2][0]
        yield FreDDataset(data, normalized=False)[2][0]
        yield next(iter(FreDLoader(data, batch_size=5, shuffle=False)))[0]
        yield next(iter(FreDLoader(data, batch_size=5, shuffle=False, normalized=False)))[0]
        yield synset()
        yield synset.images([4, 4, 0])

    exact = [made.detach() for made in images()]
    with torch.autocast("cpu", dtype):
        found = [made.detach() for made in images()]
    for mine, right in zip(found, exact, strict=True):
        torch.testing.assert_close(mine, right, rtol=0, atol=1e-6)


@half
def test_whitened_images(dtype):
    train = open_source("digits")
    whitening = ZCA.fit(train)
    images = whitening.whiten(train.batch(np.arange(40)))
    data = encode(images, train.labels[:40], k=20, whitening=whitening.record)
    exact = decode(data, normalized=False, whitening=whitening)
    with torch.autocast("cpu", dtype):
        torch.testing.assert_close(decode(data, normalized=False, whitening=whitening), exact, rtol=0, atol=1e-6)


@half
@pytest.mark.parametrize("outside", [False, True])
def test_first_and_second_derivatives(data, dtype, outside):
    decoder, masks = Decoder.of(data), torch.from_numpy(data.mask_of.astype(np.int64))
    weights = torch.randn(14, 2, 13, 17, generator=torch.Generator().manual_seed(0))

    def derivatives(forward, backward):
        coefficients = torch.from_numpy(data.coefficients.copy()).float().requires_grad_()
        with torch.autocast("cpu", dtype, enabled=forward):
            loss = (decoder(coefficients, masks).tanh() * weights).sum()
        with torch.autocast("cpu", dtype, enabled=backward):
            (first,) = torch.autograd.grad(loss, coefficients, create_graph=True)
            (second,) = torch.autograd.grad(first.square().sum(), coefficients)
        return first.detach(), second

    exact = derivatives(False, False)
    for mine, right in zip(derivatives(True, not outside), exact, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-5, atol=1e-5)


@pytest.fixture
def gpu_autocast():
    """Autocast on a GPU, where `torch.autocast` itself would say that there is none."""
    torch.set_autocast_enabled("cuda", True)
    yield
    torch.set_autocast_enabled("cuda", False)
    torch.clear_autocast_cache()


@pytest.mark.needs("fake GPUs")
@pytest.mark.parametrize("learnt", [False, True])
def test_a_gpu_multiplies_in_float32(data, learnt, gpu_autocast):
    multiplied = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.bmm):
                multiplied.append(made.dtype)
            return made

    with FakeTensorMode(), Watch():
        decoder = Decoder.of(data, device="cuda:0")
        coefficients = torch.empty(6, 2, 11, device="cuda:0", requires_grad=learnt)
        assert (torch.empty(2, 2, device="cuda:0") @ torch.empty(2, 2, device="cuda:0")).dtype == torch.float16
        for masks in (1, torch.zeros(6, dtype=torch.int64, device="cuda:0")):
            images = decoder(coefficients, masks)
            assert (images.dtype, images.device.type) == (torch.float32, "cuda")
    assert multiplied[0] == torch.float16
    assert set(multiplied[1:]) == {torch.float32}


def test_what_is_traced_and_vectorised_inside_autocast(data):
    decoder, masks = Decoder.of(data), torch.from_numpy(data.mask_of.astype(np.int64))
    coefficients = torch.from_numpy(data.coefficients.copy()).float()
    exact = decoder(coefficients.clone().requires_grad_(), masks).detach()
    compiled = torch.compile(lambda given: decoder(given, masks), backend="eager", fullgraph=True)
    mapped = torch.vmap(lambda given: decoder(given[None], 0)[0])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(compiled(coefficients), exact, rtol=0, atol=1e-6)
        torch.testing.assert_close(mapped(coefficients[::3]), exact[::3], rtol=0, atol=1e-6)


@ways
def test_the_default_device_and_type_change_nothing(data, way, monkeypatch):
    monkeypatch.setenv("FREDFMT_KERNEL", way)
    fredfmt.codec.gate.times_torch.cache_clear()
    masks, stored = torch.from_numpy(data.mask_of.astype(np.int64)), torch.from_numpy(data.coefficients.copy())
    exact = Decoder.of(data)(stored, masks)
    fredfmt.codec.gate.times_torch.cache_clear()
    with torch.device("meta"):
        assert torch.equal(Decoder.of(data, device="cpu")(stored, masks), exact)
    torch.set_default_dtype(torch.float64)
    try:
        fredfmt.codec.gate.times_torch.cache_clear()
        assert torch.equal(Decoder.of(data)(stored, masks), exact)
    finally:
        torch.set_default_dtype(torch.float32)
