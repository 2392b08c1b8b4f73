"""Sources in shards at scale: time to open, images per second in order and at random, and peak memory.

python benchmarks/sources.py --images 100000
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

READ = """
import json, sys, time
import numpy as np
from fredfmt.data.sources import open_source
from machine import peak

started = time.perf_counter()
source = open_source(sys.argv[1])
opened = time.perf_counter() - started
rates = []
for order in (np.arange(len(source)), np.random.default_rng(0).permutation(len(source))):
    started, done = time.perf_counter(), 0
    while done < len(order) and time.perf_counter() - started < float(sys.argv[2]):
        done += len(source.images[order[done : done + 256]])
    rates.append(done / (time.perf_counter() - started))
print(json.dumps({"open_s": opened, "in_order": rates[0], "random": rates[1], "peak_mib": peak() / 2**20}))
"""


def jpegs(count: int, side: int) -> list[bytes]:
    """Different coded images, smooth as photos are."""
    from PIL import Image

    contents = []
    for seed in range(count):
        small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        contents.append(stream.getvalue())
    return contents


def write_parquet(path: Path, contents: list[bytes], count: int) -> None:
    """Row groups of 100 images."""
    import pyarrow as arrow
    import pyarrow.parquet

    schema = arrow.schema({"image": arrow.struct({"bytes": arrow.binary()}), "label": arrow.int64()})
    with pyarrow.parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for start in range(0, count, 100):
            rows = range(start, min(start + 100, count))
            images = [{"bytes": contents[row % len(contents)]} for row in rows]
            writer.write_table(arrow.table({"image": images, "label": [row % 10 for row in rows]}, schema))


def write_tar(path: Path, contents: list[bytes], count: int) -> None:
    """A sample for each image, as WebDataset writes it."""
    with tarfile.open(path, "w") as archive:
        for row in range(count):
            for suffix, content in (("jpg", contents[row % len(contents)]), ("cls", str(row % 10).encode())):
                entry = tarfile.TarInfo(f"{row:08}.{suffix}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            archive.members = []


WRITERS = {"parquet": write_parquet, "webdataset": write_tar}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=100_000)
    options.add_argument("--side", type=int, default=64)
    options.add_argument("--seconds", type=float, default=10, help="for each way of reading")
    chosen = options.parse_args()
    contents, here = jpegs(500, chosen.side), Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        for kind, write in WRITERS.items():
            for count in (chosen.images // 10, chosen.images):
                path = Path(folder) / f"{kind}-{count}"
                write(path, contents, count)
                size = path.stat().st_size / 2**20
                words = [sys.executable, "-c", READ, f"{kind}:{path}", str(chosen.seconds)]
                told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True, cwd=here).stdout)
                rates = f"{told['in_order']:,.0f} images/s in order, {told['random']:,.0f} at random"
                took = f"open {told['open_s']:.1f} s, {rates}, peak {told['peak_mib']:.0f} MiB"
                print(f"{kind}, {count:,} images, {size:.0f} MiB: {took}", flush=True)
                path.unlink()


if __name__ == "__main__":
    main()
