"""The decoder's Triton kernel, run by Triton's interpreter on the CPU, and its gate."""

import numpy as np
import pytest
import torch

import fredfmt.codec.gate
from fredfmt import Decoder, encode
from fredfmt.codec.gpu import TritonPlanes, planes_on
from fredfmt.transforms import synthesis_matrix

CPU = torch.device("cpu")
STEP = 0.25


def make(shape, k, transform="dct", count=7, **options):
    images = np.random.default_rng(7).standard_normal((count, 2, *shape)).astype(np.float32)
    return encode(images, np.arange(count) % 3, k=k, transform=transform, step=STEP, **options)


def arguments(data, size=None):
    """What both ways of computing images are made from."""
    meta = data.metadata
    lengths = zip(meta.spatial_shape, size or meta.spatial_shape, strict=True)
    matrices = [synthesis_matrix(meta.transform, n, m) for n, m in lengths]
    matrices[-1] = matrices[-1] * data.step
    base = None if data.base is None else torch.tensor(data.base, dtype=torch.float32)
    return data.frequencies, meta.spatial_shape, matrices, base


def batch(data):
    return torch.from_numpy(data.coefficients.copy()), torch.from_numpy(data.mask_of.astype(np.int64))


def assert_same(made, expected):
    torch.testing.assert_close(made, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("shape", "k", "options"),
    [
        ((1, 1), 1, {}),
        ((8, 8), 11, {}),
        ((13, 17), 30, {"base": True}),
        ((28, 28), 784, {}),
        ((32, 32), 64, {"transform": "haar"}),
        ((5, 100), 60, {"base": True}),
        ((140, 9), 200, {}),
    ],
)
def test_images_are_those_of_torch(shape, k, options):
    data = make(shape, k, **options)
    planes, decoder = TritonPlanes(*arguments(data), device=CPU), Decoder.of(data)
    coefficients, masks = batch(data)
    assert_same(planes(coefficients, masks), decoder(coefficients, masks))
    assert_same(planes(coefficients.float(), masks), decoder(coefficients, masks))
    assert_same(planes(coefficients[:2], 1), decoder(coefficients[:2], 1))


def test_other_sizes_and_layouts():
    data = make((12, 20), 40)
    coefficients, masks = batch(data)
    planes = TritonPlanes(*arguments(data, (33, 70)), device=CPU)
    assert_same(planes(coefficients, masks), Decoder.of(data, size=(33, 70))(coefficients, masks))
    apart = torch.stack([coefficients, coefficients + 1], dim=3)[..., 0]
    assert not apart.is_contiguous()
    assert_same(planes(apart, masks), planes(coefficients, masks))
    within = torch.cat([coefficients, coefficients], dim=2)[:, :, : data.k]
    assert_same(planes(within, masks), planes(coefficients, masks))
    assert planes(coefficients[:0], masks[:0]).shape == (0, 2, 33, 70)


def test_a_mask_out_of_range_gives_no_pixels():
    data = make((8, 8), 11)
    coefficients, masks = batch(data)
    masks[1], masks[2] = 3, -1
    images = TritonPlanes(*arguments(data), device=CPU)(coefficients, masks)
    assert images[1:3].isnan().all()
    assert images[[0, *range(3, len(images))]].isfinite().all()


class TestTheGate:
    """What a CUDA device would be given, on the CPU."""

    def asked(self, data, dtype=torch.float32, size=None):
        planes, choice = planes_on(CPU, *arguments(data, size), dtype=dtype)
        assert (choice.name == "triton") == (planes is not None)
        return choice

    def test_a_slow_kernel_is_not_taken(self):
        choice = self.asked(make((8, 8), 11))
        assert choice.name == "torch"
        assert choice.reason.startswith("the Triton kernel ran at 0.0 times torch's speed")

    def test_a_fast_kernel_is_taken(self, monkeypatch):
        turns = iter(np.cumsum(np.tile([9.0, 3.0, 9.0, 1.0], 1000)))  # torch takes 3, the kernel 1
        monkeypatch.setattr(fredfmt.codec.gate.time, "perf_counter", lambda: float(next(turns)))
        choice = self.asked(make((8, 8), 11, base=True))
        assert (choice.name, choice.reason) == (
            "triton",
            "the Triton kernel ran at 3.0 times torch's speed in this process",
        )

    def test_a_wrong_kernel_is_not_taken(self, monkeypatch):
        right = TritonPlanes.__call__
        monkeypatch.setattr(TritonPlanes, "__call__", lambda *given: right(*given) * 1.01)
        assert "images differ from torch's by 0.01 of the range" in self.asked(make((8, 8), 11)).reason

    def test_a_kernel_that_does_not_compile_is_not_taken(self, monkeypatch):
        def fails(*given):
            raise RuntimeError("Failed to find C compiler.\nmore")

        monkeypatch.setattr(TritonPlanes, "__call__", fails)
        assert self.asked(make((8, 8), 11)).reason == "the Triton kernel failed: Failed to find C compiler."

    def test_what_it_is_not_for(self, monkeypatch):
        data = make((8, 8), 11)
        assert self.asked(data, torch.float64).reason == "the Triton kernel is for float32, not float64"
        assert self.asked(data, size=(8, 257)).reason == "the Triton kernel is for two axes of at most 256"
        monkeypatch.setenv("FREDFMT_KERNEL", "torch")
        assert self.asked(data).reason == "FREDFMT_KERNEL=torch"
