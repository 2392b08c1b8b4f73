"""Effects of the frequency domain: accuracies of the arms of a study, with equal numbers of stored values.

    python benchmarks/studies.py pixels folder:cifar10 --objective dm --iterations 500
    python benchmarks/studies.py transforms folder:cifar10
    python benchmarks/studies.py corruptions folder:cifar10
    python benchmarks/studies.py swapped folder:cifar10
    python benchmarks/studies.py --results studies.jsonl --table

All arms are at the paper's IPC = 1 in float32: 16 instances per class of a sixteenth of the frequencies, or one image
of pixels. Everything else is equal: real batches, networks, augmentation, number of updates. The learning rate of each
arm is the one of three that is best on a held-out fifth of the train split (one distillation). Then the arm is
distilled with several seeds from the whole of it, and tested on the test split by the protocol ``steps``. Every
distillation runs in a separate process, whose peak memory is recorded, and is a line of the results; interrupted runs
resume.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from lines import append, read, spread
from machine import peak
from scipy.fft import dctn, idctn

from fredfmt import open_source
from fredfmt.codec.views import unit
from fredfmt.data.sources import Source
from fredfmt.distill import CorruptionConfig, DistillConfig, EvaluationConfig, NetworkConfig, distill, evaluate

RATES = (0.03, 0.1, 0.3)
MASKS = ("evr", "fisher", "amplitude", "low", "gradient", "high", "random")
CORRUPTED = 100
"""Test images per class that are corrupted, by each corruption at each severity."""
LEFT_TO_OTHERS = 1 / 8
"""The share of the frequencies along each axis of a swapped image that are those of another image."""


def sixteenth(size: int, **settings: Any) -> dict[str, Any]:
    """A sixteenth of all frequencies."""
    return {"mask": "evr", "k": size // 16, **settings}


STUDIES: dict[str, Callable[[int], dict[str, dict[str, Any]]]] = {
    "pixels": lambda size: {
        "frequencies": sixteenth(size, transform="dct"),
        "pixels": {"transform": "identity", "mask": "low", "k": size},
    },
    "transforms": lambda size: {
        name: sixteenth(size, transform=name) for name in ("dct", "hartley", "haar", "db2", "downsample", "identity")
    },
    "corruptions": lambda size: {mask: sixteenth(size, mask=mask) for mask in MASKS},
    "swapped": lambda size: {mask: sixteenth(size, mask=mask) for mask in MASKS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=sorted(STUDIES))
    parser.add_argument("source", nargs="?", default="fashion-mnist", help="source, as for fredfmt distill")
    parser.add_argument("--objective", default="dm")
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--experts", default="", help="folder of expert trajectories, for tm")
    parser.add_argument("--arms", nargs="+", help="arms of the study; by default all")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--seeds", type=int, default=3, help="number of distillations")
    parser.add_argument("--networks", type=int, default=3, help="networks per set, averaged")
    parser.add_argument("--per-class", type=int, help="real images per class of the train split; by default all")
    parser.add_argument("--results", type=Path, default=Path("studies.jsonl"))
    parser.add_argument("--table", action="store_true", help="print the results and stop")
    options = parser.parse_args()
    if not options.table:
        measure(options)
    print(table(read(options.results)))


def measure(options: argparse.Namespace) -> None:
    size = math.prod(open_source(options.source).spatial_shape)
    for arm, settings in STUDIES[options.study](size).items():
        if options.arms and arm not in options.arms:
            continue
        if options.objective == "tm":
            settings = settings | {"experts": options.experts}
        rates = options.rates
        if len(rates) > 1:
            found = {rate: outcome(options, arm, settings, rate, seed=0, test="held-out") for rate in rates}
            rates = [max(found, key=lambda rate: found[rate]["accuracy"])]
        for seed in range(options.seeds):
            print(outcome(options, arm, settings, rates[0], seed=seed, test="test"), flush=True)


def outcome(
    options: argparse.Namespace, arm: str, settings: dict[str, Any], rate: float, *, seed: int, test: str
) -> dict[str, Any]:
    """One line of the results: the recorded one, or that of a new distillation."""
    key = {
        **{"study": options.study, "source": options.source.rpartition("/")[2], "per_class": options.per_class},
        **{"objective": options.objective, "iterations": options.iterations, "arm": arm, "rate": rate},
        **{"seed": seed, "test": test},
    }
    for line in read(options.results):
        if {name: line[name] for name in key} == key:
            return line
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        line = key | pool.apply(distilled, (options, settings, rate, seed, test))
    append(options.results, line)
    return line


def distilled(
    options: argparse.Namespace, settings: dict[str, Any], rate: float, seed: int, test: str
) -> dict[str, Any]:
    """One distillation and the networks trained on it."""
    train = open_source(options.source)
    tested = open_source(options.source, split="test")
    if options.per_class:
        train = train.sample(options.per_class)
    if options.study == "swapped":
        train, tested = swapped(train, seed=0), swapped(tested, seed=1)
    if test == "held-out":
        train, tested = train.split_off(0.2, seed=0)
    network = NetworkConfig().fitting(train.spatial_shape)
    config = DistillConfig(
        **{"objective": options.objective, "iterations": options.iterations, "step": None},
        **{"lr": rate, "seed": seed, "network": network, **settings},
    )
    before = time.perf_counter()
    data = distill(train, config)
    seconds = time.perf_counter() - before
    megabytes = round(peak() / 2**20)
    corruptions = None
    if options.study == "corruptions" and test == "test":
        corruptions, tested = CorruptionConfig(), tested.sample(int(min(CORRUPTED, tested.counts.min())))
    protocol = EvaluationConfig(seeds=options.networks, first_seed=seed * options.networks, network=network)
    result = evaluate(data, tested, protocol, corruptions=corruptions)
    line = {
        **{"accuracy": result.mean, "instances": len(data), "k": data.k},
        **{"seconds": round(seconds, 1), "megabytes": megabytes},
    }
    if result.robustness is not None:
        line["corrupted"] = result.robustness.mean
    return line


def swapped(source: Source, seed: int) -> Source:
    """Images whose lowest frequencies are those of other random images of any class, so that only the high frequencies
    tell the classes."""
    low = (..., *(slice(0, max(1, round(LEFT_TO_OTHERS * side))) for side in source.spatial_shape))
    axes = tuple(range(2, 2 + len(source.spatial_shape)))
    spectra = dctn(source.images[:].astype(np.float32) / unit(source.images.dtype), axes=axes, norm="ortho")
    spectra[low] = spectra[low][np.random.default_rng(seed).permutation(len(source))]
    images = idctn(spectra, axes=axes, norm="ortho").clip(0, 1)
    return replace(source, images=images, name=f"{source.name}, low frequencies swapped")


def table(lines: list[dict]) -> str:
    """Mean and standard error of each arm over distillations, on the test split, in percent."""
    groups = defaultdict(list)
    for line in lines:
        if line["test"] == "test":
            groups[tuple(line[name] for name in ("study", "source", "objective", "iterations", "arm", "rate"))].append(
                line
            )
    rows = [
        "| study | source | objective | iterations | arm | rate | distillations | accuracy | corrupted | s | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, group in groups.items():
        corrupted = [line["corrupted"] for line in group if "corrupted" in line]
        seconds, megabytes = (statistics.fmean(line[name] for line in group) for name in ("seconds", "megabytes"))
        cells = [*key, len(group), spread([line["accuracy"] for line in group]), spread(corrupted) if corrupted else ""]
        rows.append(f"| {' | '.join(map(str, cells))} | {seconds:.0f} | {megabytes:,.0f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
