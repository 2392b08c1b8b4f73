"""How memory and time of a distillation grow: with the real set, with classes, with instances per class.

    python benchmarks/scaling.py [--json] [--largest 60000]

Memory: sources of 5,000, 20,000 and 60,000 images of 3x32x32, as an uncompressed npz archive and as a folder of PNGs,
each distilled for a few steps in a process of its own; "peak" is the most that process had resident, over what it had
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


def peak() -> int:
    """Most bytes this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def distill_and_measure(name: str) -> None:
    """In a process of its own: prints the bytes that distilling needed over what importing did."""
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
    from fredfmt.distill.run import _Run
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
    run = _Run(source, config, "cpu")
    spent = []
    for _ in range(repeats + 1):
        began = time.process_time()
        run.step()
        spent.append(time.process_time() - began)
    return statistics.median(spent[1:])


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    return float(np.polyfit([math.log(size) for size in sizes], [math.log(spent) for spent in seconds], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="images of the largest set")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
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
