"""Sizes and times of files: Fashion-MNIST at the paper's budget, and all 60,000 images encoded, saved and loaded.

python benchmarks/files.py [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from machine import peak

import fredfmt
from fredfmt.data.sources import open_source
from fredfmt.storage.files import packed_size
from fredfmt.storage.reading import SUFFIXES

K, INSTANCES = 49, 16


def budget_files() -> list[dict[str, object]]:
    """One image per class in scalars: 16 instances of 49 coefficients in every form, compared with torch.save."""
    source = open_source("fashion-mnist").sample(INSTANCES, seed=0)
    rows: list[dict[str, object]] = []
    for step in (None, "float16", 0.25, 0.5, 1.0, 1.5):
        data = encode(source, step)
        account = fredfmt.ledger(data)
        rows.append(
            {
                "stored as": "float32" if step is None else str(step),
                **{suffix: packed_size(data, suffix) for suffix in SUFFIXES},
                "metadata and container": account.metadata + account.container,
            }
        )
    with tempfile.NamedTemporaryFile() as file:
        images = torch.zeros(INSTANCES * 10, 1, 28, 28)
        torch.save({"data": [[(images, torch.zeros(len(images)))]], "mask": images.clone()}, file.name)
        rows.append(
            {"stored as": "torch.save of decoded images and dense masks", ".fred": Path(file.name).stat().st_size}
        )
    return rows


def encode(source: fredfmt.data.sources.Source, step: object) -> fredfmt.FreDData:
    """The images of ``source`` with their provenance."""
    return fredfmt.encode(
        source.normalized,
        source.labels,
        k=K,
        step=step,  # type: ignore[arg-type]
        normalization=source.normalization,
        classes=source.classes,
        source=source.provenance(),
    )


def whole_set(folder: Path) -> dict[str, float]:
    """Seconds and megabytes to encode, save, load and validate 60,000 images, measured in this process."""
    figures: dict[str, float] = {}

    def timed(name: str, job: object) -> object:
        start = time.perf_counter()
        result = job()  # type: ignore[operator]
        figures[f"{name} (s)"] = round(time.perf_counter() - start, 3)
        return result

    source = timed("open source", lambda: open_source("fashion-mnist"))
    data = timed("encode", lambda: encode(source, 0.5))  # type: ignore[arg-type]
    timed("save", lambda: fredfmt.save(data, folder / "all.fred"))  # type: ignore[arg-type]
    figures["peak memory of encoding (MB)"] = round(peak() / 2**20, 1)
    timed("validate", lambda: fredfmt.validate(folder / "all.fred"))
    figures["file (MB)"] = round((folder / "all.fred").stat().st_size / 1e6, 3)
    figures["ledger: memory (MB)"] = round(fredfmt.ledger(data).memory / 1e6, 3)  # type: ignore[arg-type]
    return figures


LOADING = """
import sys, time
import numpy, numcodecs.blosc, google_crc32c, fredfmt
from machine import peak
before = peak()
start = time.perf_counter()
data = fredfmt.load(sys.argv[1])
print(time.perf_counter() - start, (peak() - before) / 2**20)
"""


def loading(folder: Path) -> dict[str, float]:
    """Seconds and peak megabytes to load that file in a fresh process, beyond what the imports took."""
    command, here = [sys.executable, "-c", LOADING, folder / "all.fred"], Path(__file__).parent
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=here)
    seconds, megabytes = map(float, run.stdout.split())
    return {"load (s)": round(seconds, 3), "peak memory of loading (MB)": round(megabytes, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = budget_files()
    with tempfile.TemporaryDirectory() as folder:
        figures = whole_set(Path(folder)) | loading(Path(folder))
    if arguments.json:
        print(json.dumps({"budget": rows, "whole set": figures}, indent=2))
        return
    print(f"Fashion-MNIST, IPC = 1: 10 x {INSTANCES} instances of {K}, {10 * INSTANCES * K * 4:,} bytes of float32")
    for row in rows:
        print(
            "  "
            + "   ".join(f"{key}: {value:,}" if isinstance(value, int) else f"{value}" for key, value in row.items())
        )
    print("Fashion-MNIST, all 60,000 training images, k = 49, step 0.5")
    for name, value in figures.items():
        print(f"  {name:34} {value:>10,}")


if __name__ == "__main__":
    main()
