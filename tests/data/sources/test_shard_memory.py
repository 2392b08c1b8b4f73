"""Memory that sources in shards take: it grows with a batch, not with the source."""

import subprocess
import sys

import pytest
from written import png, write_parquet, write_tar

COUNTS = (4500, 12000)
"""Both are more than the images of which the normalisation is measured."""
SIDE = 64
READ = """
import re, sys
import numpy as np
from fredfmt.data.sources import open_source
from fredfmt.data.sources.shards import row_groups

assert row_groups.CACHE
row_groups.CACHE = 1 << 20
source = open_source(sys.argv[1])
for start in range(0, len(source), 50):
    source.images[start : start + 50]
source.images[np.random.default_rng(0).permutation(len(source))[:50]]
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])  # ru_maxrss begins with that of the parent
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.needs("pyarrow")
@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_memory_does_not_grow_with_the_source(tmp_path, kind):
    """Nearly three times the images are 92 MB more; the peak grows by less than a fifth of that."""
    images = [png(seed, height=SIDE, width=SIDE) for seed in range(50)]
    peaks = []
    for count in COUNTS:
        folder = tmp_path / str(count)
        for split, rows in (("train", count), ("test", 10)):
            if kind == "parquet":
                contents = [images[row % 50] for row in range(rows)]
                labels = [row % 2 for row in range(rows)]
                write_parquet(folder / f"{split}.parquet", contents, labels, row_group_size=100, use_dictionary=False)
            else:
                members = [(f"{row}.png", images[row % 50]) for row in range(rows)]
                samples = [
                    part for row, one in enumerate(members) for part in (one, (f"{row}.cls", b"01"[row % 2 :][:1]))
                ]
                write_tar(folder / f"{split}.tar", samples)
        run = subprocess.run(
            [sys.executable, "-c", READ, f"{kind}:{folder}"], check=True, capture_output=True, text=True
        )
        peaks.append(int(run.stdout) * 1024)
    grown = (COUNTS[1] - COUNTS[0]) * len(images[0])
    assert peaks[1] - peaks[0] < grown / 5, peaks
