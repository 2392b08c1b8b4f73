"""Images per second: fredfmt's ways of decoding compared with a dense decoder, torch-dct, SciPy and a copy, in one run.

    python benchmarks/decode.py [--json] [--quick] [--sweep]

Every job turns the numbers of a batch of instances into their images, and takes turns with the others; a rate is that
of its fastest turn, since other work on the machine only ever makes a turn slower. Batches mix ten classes, each with a
mask of its own. Masks hold the frequencies of the highest variance: at 28x28 those of Fashion-MNIST's classes,
elsewhere those of crops of two photographs that scikit-learn brings. The ways are the kernels of the compiled loops
that this processor can run, each forced, and torch; for colour images they also undo the transform along the
channels, as for files that fredfmt makes. The dense decoder does what FreD's own code does for a batch: it
picks dense coefficients and dense masks, multiplies them and takes two full products with a fixed matrix; "products"
are those two alone, on an input that is ready. torch-dct and SciPy get theirs ready too. The copy is ``clone()`` of
decoded images. ``--sweep`` compares the ways and the dense decoder, from a few frequencies to all. Batches of 8,192
images of 3x128x128 take some 12 GB, and leave torch-dct and SciPy out.

A processor without AVX-512 is imitated by MKL_ENABLE_INSTRUCTIONS=AVX2 ATEN_CPU_CAPABILITY=avx2 in the environment,
which asks torch to keep to AVX2, and the column avx2.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy.fft
import torch
import torch_dct
from machine import processor
from sklearn.datasets import load_sample_images

from fredfmt import Decoder
from fredfmt.codec.kernels import KERNELS, VARIABLE
from fredfmt.codec.masks import ClassStatistics, choose_frequencies
from fredfmt.data.sources import open_source
from fredfmt.transforms import analyse, synthesis_matrix

CLASSES = 10
PAPER = [(1, 28, 49), (3, 32, 64), (3, 64, 256), (3, 128, 1024), (3, 256, 2048)]
SWEEP = [
    *((1, 28, k) for k in (8, 49, 196, 392, 588, 784)),
    *((3, 32, k) for k in (8, 64, 256, 512, 768, 1024)),
    *((3, 128, k) for k in (64, 1024, 4096, 8192, 16384)),
]
WAYS = [*(kernel.name for kernel in KERNELS if kernel.usable), "torch"]
SLOW = ("torch-dct", "scipy")
_LARGE = 1 << 30
"""Bytes of images beyond which the slow ways, which take most memory, are left out."""


@lru_cache
def statistics_of(channels: int, side: int) -> ClassStatistics:
    """Moments of the spectra of ten classes of real images."""
    generator = np.random.default_rng(0)
    gathered = ClassStatistics(CLASSES, channels, side * side)
    if channels == 1:
        source = open_source("fashion-mnist").sample(500, seed=0)
        batches = [(source.batch(np.arange(len(source))), source.labels)]
    else:
        photographs = [image.astype(np.float32) / 255 for image in load_sample_images().images]
        batches = []
        for label in range(CLASSES):
            image = photographs[label % 2]
            rows = generator.integers(0, image.shape[0] - side, 60)
            width = image.shape[1] - side
            columns = (label // 2 * width // 5) + generator.integers(0, width // 5, 60)
            crops = [image[r : r + side, c : c + side] for r, c in zip(rows, columns, strict=True)]
            batches.append((np.moveaxis(np.stack(crops), -1, 1), np.full(60, label)))
    for images, labels in batches:
        gathered.update(analyse(images, "dct", 2).reshape(len(images), channels, -1), labels)
    return gathered


def decoder_of(way: str, frequencies: np.ndarray, side: int, mixing: np.ndarray) -> Decoder:
    """A decoder that makes images in one of `WAYS`."""
    os.environ[VARIABLE] = way
    decoder = Decoder(frequencies, (side, side), "dct", step=0.5, channel_matrix=mixing if len(mixing) > 1 else None)
    assert decoder.choice.name == way
    return decoder


def jobs(channels: int, side: int, k: int, batch: int, *, all_of_them: bool) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    frequencies = choose_frequencies(statistics_of(channels, side), (side, side), k)
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(CLASSES, (batch,), generator=generator)
    coefficients = torch.randint(-20, 20, (batch, channels, k), generator=generator, dtype=torch.int16)
    chosen = torch.randperm(batch, generator=generator)
    named: dict[str, Callable[[], object]] = {}
    mixing = synthesis_matrix("dct", channels)
    for way in WAYS:
        decoder = decoder_of(way, frequencies, side, mixing)
        named[way] = lambda decoder=decoder: decoder(coefficients[chosen], masks[chosen])
    images = named[WAYS[0]]()
    places = torch.from_numpy(frequencies.astype(np.int64))[masks][:, None].expand(-1, channels, -1)
    flat = torch.zeros(batch, channels, side * side)
    values = torch.tensor(mixing, dtype=torch.float32) @ (coefficients.float() * 0.5)
    spectra = flat.scatter(2, places, values).view(batch, channels, side, side)
    mask = flat.scatter(2, places, 1.0).view(spectra.shape)
    dense = spectra[chosen]
    inverse = torch.nn.Linear(side, side, bias=False).requires_grad_(False)
    inverse.weight.copy_(torch.tensor(synthesis_matrix("dct", side)))

    def products(ready: torch.Tensor) -> torch.Tensor:
        return inverse(inverse(ready).transpose(-1, -2)).transpose(-1, -2)

    def by_scipy() -> object:
        return scipy.fft.idctn(dense.numpy(), axes=(2, 3), norm="ortho", workers=torch.get_num_threads())

    named["dense"] = lambda: products(mask[chosen] * spectra[chosen])
    if not all_of_them:
        return named
    named |= {"products": lambda: products(dense), "copy": lambda: images.clone()}
    if images.nbytes > _LARGE:
        return named
    np.testing.assert_allclose(by_scipy(), images, atol=2e-3)
    return named | {"torch-dct": lambda: torch_dct.idct_2d(dense, norm="ortho"), "scipy": by_scipy}


def rates(named: dict[str, Callable[[], object]], batch: int, seconds: float) -> dict[str, float]:
    """Images per second of each job's fastest turn, in about this many seconds, three turns at least."""
    fastest = dict.fromkeys(named, float("inf"))
    names = list(named)
    turn, start = 0, time.perf_counter()
    while turn < 4 or time.perf_counter() - start < seconds:
        first = 3 * turn % len(names)  # a job is not always preceded by the same one, which leaves caches and memory
        for name in names[first:] + names[:first]:
            if name in SLOW and turn > 3:
                continue
            before = time.perf_counter()
            named[name]()
            if turn:
                fastest[name] = min(fastest[name], time.perf_counter() - before)
        turn += 1
    return {name: batch / best for name, best in fastest.items()}


def row_of(shape: str, k: int, batch: int, found: dict[str, float], against: str) -> str:
    """A line of the table: a way's rate with how many times that of ``against`` it is, and the others' rates."""
    ways = [f"{found[way] / 1000:,.1f} ({found[way] / found[against]:.1f})" for way in WAYS]
    others = [f"{rate / 1000:,.1f}" for name, rate in found.items() if name not in WAYS]
    return f"| {' | '.join([f'{shape}, {k}', str(batch), *ways, *others])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the paper's three shapes only")
    parser.add_argument("--sweep", action="store_true", help="the ways and the dense decoder, at many k")
    parser.add_argument("--seconds", type=float, default=3, help="for each line")
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    shapes = SWEEP if arguments.sweep else [PAPER[0], PAPER[1], PAPER[3]] if arguments.quick else PAPER
    machine = {"processor": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    against = "torch" if arguments.sweep else "dense"
    if not arguments.json:
        print(*machine.items())
        print(f"thousands of images per second; in brackets: times {against}", flush=True)
    for channels, side, k in shapes:
        batches = (256,) if arguments.sweep or side > 128 else (256, 2048, 8192)
        for batch in batches:
            found = rates(jobs(channels, side, k, batch, all_of_them=not arguments.sweep), batch, arguments.seconds)
            shape = f"{channels}x{side}x{side}"
            if not arguments.json and not rows:
                print(f"| {' | '.join(['shape, k', 'batch', *found])} |\n|{'---|' * (len(found) + 2)}")
            rows.append({"shape": shape, "k": k, "batch": batch, "rates": found})
            if not arguments.json:
                print(row_of(shape, k, batch, found, against), flush=True)
    if arguments.json:
        print(json.dumps({**machine, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
