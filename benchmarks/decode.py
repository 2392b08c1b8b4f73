"""Images a second: fredfmt's decoder beside a dense one, torch-dct, SciPy and a copy of the output, in one run.

    python benchmarks/decode.py [--json] [--quick]

Every job turns the numbers of a batch of instances into their images, and is repeated in turn with the others; a rate
is the median of its repeats. Batches mix ten classes, each with a mask of its own; "one class" decodes instances of a
single class. Masks hold the frequencies of the highest variance: at 28x28 those of Fashion-MNIST's classes, elsewhere
those of crops of two photographs that scikit-learn brings. The dense decoder does what FreD's own code does for a
batch: it picks dense coefficients and dense masks, multiplies them and takes two full products with a fixed matrix;
"products" are those two alone, on an input that is ready. torch-dct and SciPy get theirs ready too. The copy is
``clone()`` of decoded images; no decoder can be faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy.fft
import torch
import torch_dct
from sklearn.datasets import load_sample_images

from fredfmt import Decoder
from fredfmt.codec.masks import ClassStatistics, choose_frequencies
from fredfmt.data.sources import open_source
from fredfmt.transforms import analyse, synthesis_matrix

CLASSES = 10
PAPER = [(1, 28, 49), (3, 32, 64), (3, 64, 256), (3, 128, 1024), (3, 256, 2048)]
UP_TO_ALL = [
    (1, 28, 196),
    (1, 28, 392),
    (1, 28, 784),
    (3, 32, 256),
    (3, 32, 512),
    (3, 32, 1024),
    (3, 128, 8192),
    (3, 128, 16384),
]
SLOW = ("torch-dct", "scipy")


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


def jobs(channels: int, side: int, k: int, batch: int, slow: bool) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    frequencies = choose_frequencies(statistics_of(channels, side), (side, side), k)
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(CLASSES, (batch,), generator=generator)
    coefficients = torch.randint(-20, 20, (batch, channels, k), generator=generator, dtype=torch.int16)
    chosen_rows = torch.randperm(batch, generator=generator)
    decoder = Decoder(frequencies, (side, side), "dct", step=0.5)
    images = decoder(coefficients[chosen_rows], masks[chosen_rows])
    places = torch.from_numpy(frequencies.astype(np.int64))[masks][:, None].expand(-1, channels, -1)
    flat = torch.zeros(batch, channels, side * side)
    spectra = flat.scatter(2, places, coefficients.float() * 0.5).view(batch, channels, side, side)
    mask = flat.scatter(2, places, 1.0).view(spectra.shape)
    dense = spectra[chosen_rows]
    inverse = torch.nn.Linear(side, side, bias=False).requires_grad_(False)
    inverse.weight.copy_(torch.tensor(synthesis_matrix("dct", side)))

    def products(ready: torch.Tensor) -> torch.Tensor:
        return inverse(inverse(ready).transpose(-1, -2)).transpose(-1, -2)

    def by_scipy() -> object:
        return scipy.fft.idctn(dense.numpy(), axes=(2, 3), norm="ortho", workers=2)

    torch.testing.assert_close(images, products(mask[chosen_rows] * spectra[chosen_rows]), atol=2e-3, rtol=1e-4)
    np.testing.assert_allclose(by_scipy(), images, atol=2e-3)
    named: dict[str, Callable[[], object]] = {
        "fredfmt": lambda: decoder(coefficients[chosen_rows], masks[chosen_rows]),
        "one class": lambda: decoder(coefficients[chosen_rows], 0),
        "dense": lambda: products(mask[chosen_rows] * spectra[chosen_rows]),
        "products": lambda: products(dense),
        "copy": lambda: images.clone(),
    }
    if slow:
        named["torch-dct"] = lambda: torch_dct.idct_2d(dense, norm="ortho")
        named["scipy"] = by_scipy
    return named


def rates(channels: int, side: int, k: int, batch: int, *, repeats: int, slow: bool) -> dict[str, float]:
    """Images a second of each job."""
    named = jobs(channels, side, k, batch, slow)
    seconds: dict[str, list[float]] = {name: [] for name in named}
    for repeat in range(repeats + 1):
        for name, job in named.items():
            if name in SLOW and repeat > 4:
                continue
            start = time.perf_counter()
            job()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return {name: batch / statistics.median(spent) for name, spent in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the paper's shapes only")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    rows = []
    for channels, side, k in PAPER if arguments.quick else PAPER + UP_TO_ALL:
        for batch in (256, 2048, 8192) if side <= 32 else (256, 2048) if side <= 64 else (64, 256):
            found = rates(channels, side, k, batch, repeats=arguments.repeats, slow=(channels, side, k) in PAPER)
            row = {"shape": f"{channels}x{side}x{side}", "k": k, "batch": batch}
            row |= {name: round(rate) for name, rate in found.items()}
            row |= {
                f"times {name}": round(found["fredfmt"] / found[name], 2)
                for name in found
                if name not in ("fredfmt", "one class")
            }
            rows.append(row)
            if not arguments.json:
                ratios = "  ".join(f"{name[6:]} x{row[name]:.1f}" for name in row if str(name).startswith("times "))
                print(
                    f"{row['shape']:>10} k={k:<6} batch {batch:<5} fredfmt {found['fredfmt']:>11,.0f} images/s"
                    f"  one class {found['one class']:>11,.0f}   against {ratios}",
                    flush=True,
                )
    if arguments.json:
        print(json.dumps({"threads": torch.get_num_threads(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
