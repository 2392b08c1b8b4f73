"""How memory and time of a distillation grow: with the real set, with classes, instances per class and pixels.

    python benchmarks/scaling.py [--json] [--largest 60000]
    python benchmarks/scaling.py --grid [--classes 10,100,1000] [--sides 28,64,128,256] [--objectives frepo,dm]

The second command prints, for each number of classes and each side of 3-channel images, the seconds of an iteration
with the default settings, the share of them that the kernel took, and the most memory that the process had resident.
Each cell is measured in a separate process, on one thread; images are noise that is made when it is read, 16 instances
per class (k is a sixteenth of the frequencies, ipc 1). ``--python`` names the interpreter of another version
of fredfmt to compare with.

Memory: sources of 5,000, 20,000 and 60,000 images of 3x32x32, as an uncompressed npz archive and as a folder of PNGs,
each distilled for a few steps in a separate process; "peak" is the most that process had resident, over what it had
before the source was opened. Time: processor seconds per step of DM and of DC on random images of 1x28x28; the
exponent is the slope of log(time) over log(size), 1 where time is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import peak, processor

SIZES = (5_000, 20_000, 60_000)
CLASSES, INSTANCES = (10, 20, 40), (4, 8, 16, 32)


def write_npz(path: Path, count: int) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    test = generator.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(count) % 10, test_images=test, test_labels=np.arange(20) % 10)


def write_folder(path: Path, count: int) -> None:
    from PIL import Image

    generator = np.random.default_rng(0)
    for split, images in (("train", count), ("test", 20)):
        for index in range(images):
            folder = path / split / str(index % 10)
            folder.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{index:06}.png", compress_level=0)


def distill_and_measure(name: str) -> None:
    """In a separate process: prints the bytes that distilling needed over what importing did."""
    import torch

    from fredfmt.data.sources import open_source
    from fredfmt.distill import DistillConfig, NetworkConfig, distill

    torch.set_num_threads(1)
    warm = open_source("digits")
    config = DistillConfig(objective="dm", ipc=0.1, k=64, iterations=3, batch_real=8, network=NetworkConfig(width=8))
    distill(warm, DistillConfig(objective="dm", k=24, iterations=2, batch_real=4, network=NetworkConfig(width=8)))
    before = peak()
    distill(open_source(name), config)
    print(peak() - before)


def memory(kind: str, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("x.npz" if kind == "npz" else "x")
        (write_npz if kind == "npz" else write_folder)(path, count)
        command = [sys.executable, __file__, "--measure", f"{kind}:{path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"source": kind, "images": count, "bytes of images": count * 3072, "peak": int(done.stdout)}


def seconds_a_step(objective: str, classes: int, instances: int, repeats: int) -> float:
    from fredfmt.data.sources import Source
    from fredfmt.distill import DistillConfig, NetworkConfig
    from fredfmt.distill.run import Run
    from fredfmt.model.parts import Normalization

    labels = np.arange(classes * 40) % classes
    source = Source(
        name="noise",
        split="train",
        images=np.random.default_rng(0).integers(0, 256, (len(labels), 1, 28, 28), dtype=np.uint8),
        labels=labels,
        classes=tuple(map(str, range(classes))),
        normalization=Normalization((0.5,), (0.25,)),
    )
    config = DistillConfig(
        objective=objective,
        ipc=instances * 49 / 784,
        k=49,
        batch_real=instances,
        augmentation="none",
        network=NetworkConfig(width=16),
    )
    run = Run(source, config, "cpu")
    spent = []
    for _ in range(repeats + 1):
        began = time.process_time()
        run.step()
        spent.append(time.process_time() - began)
    return statistics.median(spent[1:])


class Noise:
    """Images that are made when they are read, each from its number."""

    def __init__(self, count: int, side: int) -> None:
        self.shape, self.dtype = (count, 3, side, side), np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        numbers = np.arange(len(self))[rows]
        made = [np.random.default_rng(int(number)).bytes(math.prod(self.shape[1:])) for number in numbers]
        return np.frombuffer(b"".join(made), np.uint8).reshape(-1, *self.shape[1:])


def measure_cell(objective: str, classes: int, side: int, iterations: int) -> None:
    """In a separate process: prints seconds, kernel seconds of an iteration, and peaks in bytes."""
    import torch

    from fredfmt.data.sources import Source
    from fredfmt.distill import DistillConfig
    from fredfmt.distill.run import Run
    from fredfmt.model.metadata import Normalization

    torch.set_num_threads(1)
    labels = np.repeat(np.arange(classes), 40)
    source = Source(
        name="noise",
        split="train",
        images=Noise(len(labels), side),
        labels=labels,
        classes=tuple(map(str, range(classes))),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
    )
    config = DistillConfig(objective=objective, ipc=1, k=side * side // 16)
    run = Run(source, config, "cpu")
    start = peak()
    run.step()  # the first one makes what is kept, such as FRePo's pool
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(iterations):
        run.step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    print(json.dumps({"seconds": (user + kernel) / iterations, "kernel": kernel / (user + kernel), "start": start}))
    print(peak())


def grid(python: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The cells, one after the other, each in a separate process."""
    cells = []
    for objective in options.objectives.split(","):
        for classes in map(int, options.classes.split(",")):
            for side in map(int, options.sides.split(",")):
                job = f"{objective},{classes},{side},{options.iterations}"
                done = subprocess.run([python, __file__, "--cell", job], capture_output=True, text=True, check=False)
                cell: dict[str, Any] = {"objective": objective, "classes": classes, "side": side}
                if done.returncode:
                    cell["failed"] = done.stderr.strip().splitlines()[-1:] or [f"signal {-done.returncode}"]
                else:
                    figures, most = done.stdout.splitlines()
                    cell |= json.loads(figures) | {"peak": int(most)}
                cells.append(cell)
                if not options.json:
                    print(described(cell), flush=True)
    return cells


def described(cell: dict[str, Any]) -> str:
    head = f"{cell['objective']:<6}{cell['classes']:>6,} classes, {cell['side']:>3} pixels: "
    if "failed" in cell:
        return head + " ".join(cell["failed"])
    return (
        head + f"{cell['seconds']:8.2f} s per iteration, kernel {cell['kernel']:4.0%}, "
        f"peak {cell['peak'] / 1e9:5.2f} GB ({cell['start'] / 1e9:.2f} GB at the start)"
    )


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    return float(np.polyfit([math.log(size) for size in sizes], [math.log(spent) for spent in seconds], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="images of the largest set")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--grid", action="store_true", help="classes and pixels")
    parser.add_argument("--classes", default="10,100,1000")
    parser.add_argument("--sides", default="28,64,128,256")
    parser.add_argument("--objectives", default="frepo,dm")
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the version to measure in the grid")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        objective, *numbers = options.cell.split(",")
        measure_cell(objective, *map(int, numbers))
        return
    if options.grid:
        cells = grid(options.python, options)
        if options.json:
            print(json.dumps({"processor": processor(), "cells": cells}, indent=2))
        else:
            print(processor())
        return
    if options.measure:
        distill_and_measure(options.measure)
        return
    import torch

    torch.set_num_threads(1)
    report: dict[str, Any] = {"memory": [], "time": []}
    for kind in ("npz", "folder"):
        for count in [size for size in SIZES if size <= options.largest]:
            report["memory"].append(memory(kind, count))
            entry = report["memory"][-1]
            if not options.json:
                megabytes = [f"{entry[name] / 1e6:8.1f} MB" for name in ("bytes of images", "peak")]
                print(f"{kind:<8}{count:>8,} images, {megabytes[0]}: peak {megabytes[1]}", flush=True)
    for objective in ("dm", "dc"):
        for what, sizes in (("classes", CLASSES), ("instances a class", INSTANCES)):
            pairs = [(size, 8) if what == "classes" else (10, size) for size in sizes]
            seconds = [seconds_a_step(objective, *pair, options.repeats) for pair in pairs]
            slope = exponent(sizes, seconds)
            report["time"].append(
                {"objective": objective, "of": what, "sizes": sizes, "seconds": seconds, "exponent": slope}
            )
            if not options.json:
                steps = ", ".join(f"{size}: {spent * 1e3:.1f} ms" for size, spent in zip(sizes, seconds, strict=True))
                print(f"{objective}: a step by {what} {steps}; exponent {slope:.2f}", flush=True)
    if options.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
