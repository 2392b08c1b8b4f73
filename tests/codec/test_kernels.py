"""The compiled loops: every kernel against dense synthesis, on other processors and with other compilers; the gate."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fredfmt.codec.gate
from fredfmt import ArgumentError, Decoder, decode, encode
from fredfmt.codec.kernels import COMPILED, KERNELS, kernel_for
from fredfmt.transforms import synthesis_matrix
from fredfmt.view.pictures import pictures

ROOT = Path(__file__).parents[2]
NAMES = ["avx512", "avx2", "sse2", "neon", "generic"]
USABLE = [kernel.name for kernel in KERNELS if kernel.usable]
SHAPES = [(1, 1), (3, 2), (8, 8), (3, 70), (70, 3), (13, 17), (28, 28), (33, 64), (97,)]


@pytest.fixture
def kernel(request, monkeypatch):
    """The kernel of a name, forced."""
    if request.param not in USABLE:
        pytest.skip(f"{request.param}: not on this processor")
    monkeypatch.setenv("FREDFMT_KERNEL", request.param)
    return request.param


every_kernel = pytest.mark.parametrize("kernel", NAMES, indirect=True)


def make(shape, transform="dct", k=11, count=14, channels=2, **options):
    images = np.random.default_rng(7).standard_normal((count, channels, *shape)).astype(np.float32)
    options |= {"channels": channels, "step": 0.25}
    return encode(images, np.arange(count) % 3, k=k, transform=transform, **options)


def dense(data):
    """(N, C, *size) by a dense array of all frequencies and one full product per axis, float64."""
    meta = data.metadata
    spectra = np.zeros((len(data), meta.channels, int(np.prod(meta.spatial_shape))))
    for instance, mask in enumerate(data.mask_of):
        spectra[instance][:, data.frequencies[mask]] = data.coefficients[instance] * data.step
    if data.channel_matrix is not None:
        spectra = data.channel_matrix @ spectra
    images = spectra.reshape(len(data), meta.channels, *meta.spatial_shape)
    for axis, length in enumerate(meta.spatial_shape, start=2):
        images = np.moveaxis(np.moveaxis(images, axis, -1) @ synthesis_matrix(meta.transform, length).T, -1, axis)
    return images


@pytest.mark.needs("a C compiler")
def test_the_compiled_loops_are_there():
    assert COMPILED
    assert USABLE
    assert not set(USABLE) - set(NAMES)


@every_kernel
@pytest.mark.parametrize("transform", ["dct", "haar"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kept", [0.1, 1.0])
def test_every_kernel_is_dense_synthesis(kernel, shape, transform, kept):
    data = make(shape, transform, k=max(1, int(kept * np.prod(shape))))
    decoder = Decoder.of(data)
    assert (decoder.choice.name, decoder.choice.reason) == (kernel, f"FREDFMT_KERNEL={kernel}")
    images = decoder(torch.from_numpy(data.coefficients.copy()), torch.from_numpy(data.mask_of.astype(np.int64)))
    np.testing.assert_allclose(images, dense(data), atol=4e-6)


@every_kernel
@pytest.mark.parametrize(
    ("channels", "shape", "k"), [(3, (13, 17), 40), (3, (32, 32), 1024), (5, (97,), 9), (1, (8, 8), 11)]
)
@pytest.mark.parametrize("base", [False, True])
def test_every_kernel_mixes_channels(kernel, channels, shape, k, base):
    data = make(shape, k=k, channels=channels, channel_transform="dct", base=base)
    assert (data.channel_matrix is not None) == (channels > 1)
    decoder, masks = Decoder.of(data), torch.from_numpy(data.mask_of.astype(np.int64))
    assert decoder.choice.name == kernel
    images = decoder(torch.from_numpy(data.coefficients.copy()), masks)
    np.testing.assert_allclose(images, pictures(data, range(len(data)), normalized=True), atol=1e-5)
    few = masks.eq(1)
    torch.testing.assert_close(decoder(torch.from_numpy(data.coefficients[few.numpy()]), 1), images[few])


@every_kernel
def test_threads_do_not_change_a_bit(kernel):
    data = make((47, 64), k=300, count=40)
    images = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        images.append(decode(data))
    torch.set_num_threads(1)
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])


@pytest.mark.needs("a C compiler")
def test_narrow_images_take_narrow_vectors():
    for width in (1, 5, 8, 15, 16, 500):
        kernel = kernel_for(width)
        wider = [other for other in KERNELS if other.usable and kernel.lanes < other.lanes <= width]
        assert not wider
        assert kernel.lanes <= width or kernel is KERNELS[-1]


@pytest.mark.parametrize("name", ["avx1024", "AVX2", " "])
def test_an_unknown_kernel_is_refused(name, monkeypatch):
    monkeypatch.setenv("FREDFMT_KERNEL", name)
    with pytest.raises(ArgumentError, match=r"FREDFMT_KERNEL: no such kernel here; expected .*torch"):
        decode(make((5, 7)))


def test_torch_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("FREDFMT_KERNEL", "torch")
    data = make((13, 17))
    assert Decoder.of(data).choice.name == "torch"
    np.testing.assert_allclose(decode(data), dense(data), atol=2e-6)


@pytest.mark.needs("a C compiler")
@pytest.mark.parametrize(("ratio", "taken"), [(0.99, False), (1.0, True), (4.2, True)])
def test_a_kernel_that_is_slower_than_torch_is_not_taken(ratio, taken, monkeypatch):
    monkeypatch.delenv("FREDFMT_KERNEL", raising=False)
    monkeypatch.setattr(fredfmt.codec.gate, "times_torch", lambda kernel, dense: ratio)
    data = make((13, 17))
    choice = Decoder.of(data).choice
    assert (choice.kernel is not None) == taken
    assert f"{ratio:.1f} times torch's speed" in choice.reason
    np.testing.assert_allclose(decode(data), dense(data), atol=2e-6)


@pytest.mark.needs("a C compiler")
def test_kernels_are_timed_once_per_process_and_kind_of_masks(monkeypatch):
    monkeypatch.delenv("FREDFMT_KERNEL", raising=False)
    fredfmt.codec.gate.times_torch.cache_clear()
    for k in (11, 12, 200, 221):
        assert Decoder.of(make((13, 17), k=k)).choice.reason
    kernel = kernel_for(17)
    assert fredfmt.codec.gate.times_torch.cache_info().misses == 2
    assert fredfmt.codec.gate.times_torch(kernel, True) > 0


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((4, 5, 6), {}, "one and two axes"),
        ((4, 5), {"dtype": torch.float64}, "float32, not float64"),
        ((4, 5), {"device": "meta"}, "CPU, not meta"),
        pytest.param((97,), {}, "one matrix product", marks=pytest.mark.needs("a C compiler")),
    ],
)
def test_what_the_loops_are_not_for(shape, options, reason, monkeypatch):
    monkeypatch.delenv("FREDFMT_KERNEL", raising=False)
    choice = Decoder.of(make(shape), **options).choice
    assert choice.name == "torch"
    assert reason in choice.reason


def test_a_decoder_travels_to_a_process_with_another_kernel(monkeypatch):
    data = make((13, 17))
    decoder = Decoder.of(data)
    coefficients, masks = torch.from_numpy(data.coefficients.copy()), torch.from_numpy(data.mask_of.astype(np.int64))
    images = decoder(coefficients, masks)
    for name in [*USABLE, "torch"]:
        monkeypatch.setenv("FREDFMT_KERNEL", name)
        arrived = pickle.loads(pickle.dumps(decoder))
        assert arrived.choice.name == name
        torch.testing.assert_close(arrived(coefficients, masks), images, atol=4e-6, rtol=0)


def built(folder, compiler, *flags):
    """The program of planes_driver.c."""
    program = folder / "driver"
    source = ROOT / "tests" / "codec" / "planes_driver.c"
    subprocess.run([compiler, "-O3", "-pthread", *flags, str(source), "-o", str(program), "-lm"], check=True)
    return str(program)


def kernels_of(*command):
    """The kernels that a driver found usable and right."""
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param(("cc", "-fopenmp"), marks=pytest.mark.needs("a C compiler")),
        pytest.param(("cc", "-Wno-unknown-pragmas"), marks=pytest.mark.needs("a C compiler")),
        pytest.param(("clang", "-Wno-unknown-pragmas"), marks=pytest.mark.needs("a C compiler", "clang")),
    ],
    ids=" ".join,
)
def test_compilers_with_and_without_openmp(compiler, tmp_path):
    assert kernels_of(built(tmp_path, *compiler, "-Wall", "-Werror")) == USABLE


@pytest.mark.slow
@pytest.mark.needs("a C compiler")
def test_sanitizers_find_nothing(tmp_path):
    program = built(tmp_path, "cc", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert kernels_of(program) == USABLE


@pytest.mark.slow
@pytest.mark.needs("a C compiler", "qemu-x86_64")
@pytest.mark.skipif("sse2" not in USABLE, reason="not an x86-64 processor")
@pytest.mark.parametrize(("processor", "kernels"), [("Nehalem", ["sse2"]), ("Haswell", ["avx2", "sse2"])])
def test_a_processor_runs_what_it_has(processor, kernels, tmp_path):
    assert kernels_of("qemu-x86_64", "-cpu", processor, built(tmp_path, "cc")) == kernels


@pytest.mark.slow
@pytest.mark.needs("aarch64-linux-gnu-gcc", "qemu-aarch64")
def test_arm(tmp_path):
    assert kernels_of("qemu-aarch64", built(tmp_path, "aarch64-linux-gnu-gcc", "-static")) == ["neon"]


@pytest.mark.slow
@pytest.mark.needs("a C compiler")
def test_installation_with_a_compiler_that_has_no_openmp(tmp_path):
    compiler = tmp_path / "cc-without-openmp"
    compiler.write_text('#!/bin/sh\ncase " $* " in *" -fopenmp "*) echo no OpenMP >&2; exit 1;; esac\nexec cc "$@"\n')
    compiler.chmod(0o755)
    subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "setup.py", "--quiet", "build_ext"),
            *("--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")),
        ],
        cwd=ROOT,
        env=os.environ | {"CC": str(compiler), "LDSHARED": f"{compiler} -shared"},
        check=True,
        capture_output=True,
    )
    built = sorted(path.name.partition(".")[0] for path in (tmp_path / "lib").rglob("*.so"))
    assert {"_block", "_planes"} <= set(built)
