"""Memory and time of encoding, saving and loading many images.

    python benchmarks/memory.py [--counts 1000,100000,300000] [--json]

For each number of images of 3x64x64 (noise, in an uncompressed npz archive of 12 kB per image): the peak of resident
memory (VmHWM, which counts mapped pages of files) of ``fredfmt encode npz:... --k 256``, of loading its file and
saving that in each container, and the seconds that these take. Each step runs in a separate process. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import peak, processor
from numpy.lib import format as npy

SHAPE = (3, 64, 64)
SUFFIXES = (".fred", ".fred.zarr", ".fred.h5")


def write_images(path: Path, count: int) -> None:
    """So many images of noise, no two blocks of 512 alike."""
    block = np.random.default_rng(0).integers(0, 256, (512, *SHAPE), np.uint8)
    small = {"labels": np.arange(count) % 100, "test_images": block[:100], "test_labels": np.arange(100)}
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, *SHAPE)}
            npy.write_array_header_1_0(stream, header)
            for start in range(0, count, len(block)):
                stream.write(np.roll(block[: count - start], start // 512, axis=3).tobytes())
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as stream:
                npy.write_array(stream, array)


def measure(what: str, source: str, target: str) -> None:
    """In a separate process: print the seconds of one step and the peak of memory."""
    import fredfmt

    data = fredfmt.load(source) if what == "save" else None
    start = time.perf_counter()
    if what == "encode":
        from typer.testing import CliRunner

        from fredfmt.cli.app import app

        done = CliRunner().invoke(app, ["encode", f"npz:{source}", target, "--k", "256"])
        assert done.exit_code == 0, done.exception
    elif what == "load":
        fredfmt.load(source)
    else:
        fredfmt.save(data, target)
    print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak()}))


def measured(what: str, source: Path, target: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, str(source), str(target)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def rows(count: int) -> dict[str, Any]:
    """Every step for so many images."""
    with tempfile.TemporaryDirectory() as scratch:
        images, file = Path(scratch) / "images.npz", Path(scratch) / "x.fred"
        write_images(images, count)
        steps = {"encode": measured("encode", images, file), "load": measured("load", file, file)}
        for suffix in SUFFIXES:
            steps[f"save {suffix}"] = measured("save", file, Path(scratch) / f"copy{suffix}")
        return {"images": count, "coefficients": count * 3 * 256 * 2, "file": file.stat().st_size, "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1000,100000,300000")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    report = {"processor": processor(), "rows": [rows(int(count)) for count in options.counts.split(",")]}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(report["processor"])
    for row in report["rows"]:
        print(
            f"{row['images']:>9,} images, {row['coefficients'] / 1e6:.1f} MB of int16, file {row['file'] / 1e6:.1f} MB"
        )
        for name, step in row["steps"].items():
            print(f"    {name:<15}{step['seconds']:8.2f} s   peak {step['peak'] / 1e6:6.0f} MB")


if __name__ == "__main__":
    main()
