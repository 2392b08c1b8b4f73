"""A file read whole, its metadata alone, and one of ten classes, over HTTP with 50 ms before every answer.

python benchmarks/remote.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fredfmt import encode, load, save
from fredfmt.storage.files import load_metadata

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "sharing"))
import web

INSTANCES = (160, 60_000, 400_000, 1_600_000)
READINGS = {"whole": load, "metadata": load_metadata, "one class": lambda address: load(address, classes=[3])}


class Slow(web.Handler):
    def answer(self, body: bool) -> None:
        time.sleep(0.05)
        super().answer(body)


def main() -> None:
    os.environ["FREDFMT_CACHE"] = "none"
    web.Handler = Slow
    site, generator = web.Site(), np.random.default_rng(0)
    print(f"{'instances':>9} {'file':>10}  {'':13} {'seconds':>7} {'bytes':>10} requests")
    for count in INSTANCES:
        images = generator.standard_normal((count, 1, 10, 10), np.float32)
        with tempfile.TemporaryDirectory() as folder:
            save(encode(images, np.arange(count) * 10 // count, k=49, step=1.0), Path(folder) / "x.fred")
            address = site.put("x.fred", (Path(folder) / "x.fred").read_bytes(), "ranges")
        for name, read in READINGS.items():
            read(address)
            site.forget()
            start = time.perf_counter()
            read(address)
            seconds, size = time.perf_counter() - start, len(site.files["x.fred"])
            print(f"{count:>9} {size:>10}  {name:13} {seconds:7.3f} {site.sent:10} {len(site.asked)}")
    site.close()


if __name__ == "__main__":
    main()
