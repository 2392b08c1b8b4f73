"""Throw mutated files at the reader: each must give the same data or one FredError, soon and in bounded memory.

    python tests/storage/fuzz/fuzz.py [--files 200000] [--first 0] [--reseal-hdf5] [--workers 2]

A mutant whose checksums were put right may be a valid file of other data; then the reference reader, or h5py, has to
read the same values from it. Work is done in child processes: one that dies is reported with the number of its mutant,
and the work goes on after it. ``--reseal-hdf5`` also puts the checksum of HDF5 files right, which brings mutants to the
HDF5 library itself.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutations import SPEC, Mutant, mutant

import fredfmt
from fredfmt.errors import FredError
from fredfmt.model.documents import difference
from fredfmt.storage.containers import archive, hdf5
from fredfmt.storage.containers.zigzag import ZIGZAG, unzigzag

sys.path.insert(0, str(SPEC / "reference"))
import fred_reference

MEMORY = 3 << 30
"""Address space of a child: two copies of the 1 GiB that a file may decode to, and the libraries."""
SLOW = 2.0
"""Seconds of CPU time that a file may take."""


class Flaw(Exception):
    """The reader did what it must not do."""


def judge(case: Mutant, folder: Path) -> str:
    """``"refused"``, ``"same"`` or ``"other"`` (another valid file); raises `Flaw`, or what the reader should not."""
    try:
        data = fredfmt.load(_file(case, folder))
    except FredError:
        report = fredfmt.validate(_file(case, folder))
        if report.valid:
            raise Flaw("load refuses what validate calls valid") from None
        if case.resealed and _reference(_archive(case)) is not None:
            raise Flaw("the reference reader reads it") from None
        return "refused"
    if fredfmt.digest(data) == case.digest:
        return "same"
    if not case.resealed:
        raise Flaw("other data without an error")
    if not _archive(case).startswith(hdf5.MAGIC):
        read = _reference(_archive(case))
        if read is None:
            raise Flaw("the reference reader refuses it")
        meta, arrays = read
        # what is empty says as much as what is absent
        added = ("integrity", "counts", "version")
        notes = {key: value for key, value in meta.items() if key not in added and value}
        if difference(data.metadata.to_json(), {"version": "1.0", **notes}) is not None:
            raise Flaw("the reference reader reads other metadata")
        for name, array in arrays.items():
            packed = name in ("coefficients", "base")
            numbers = fred_reference.numbers(meta, array, 1) if packed else array
            if not np.array_equal(getattr(data, name), numbers):
                raise Flaw(f"the reference reader reads other {name}")
    else:
        with h5py.File(io.BytesIO(_archive(case)), "r") as file:
            for name in file.keys() - {"metadata"}:
                numbers = file[name][...]
                if name in ZIGZAG and numbers.dtype.kind == "u":
                    numbers = unzigzag(numbers)
                if not np.array_equal(getattr(data, name), numbers):
                    raise Flaw(f"h5py reads other {name}")
    return "other"


def _archive(case: Mutant) -> bytes:
    """The mutant's bytes; of a directory, an archive of the same entries."""
    return archive.pack(case.content) if isinstance(case.content, dict) else case.content


def _file(case: Mutant, folder: Path) -> Any:
    if isinstance(case.content, bytes):
        return io.BytesIO(case.content)
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in case.content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _reference(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    try:
        return fred_reference.read(content)
    except (ValueError, RuntimeError, RecursionError, TypeError, OverflowError):
        return None


def work(numbers: range, reseal: bool, at: Any, answers: Any) -> None:
    """Judge the mutants of some numbers; ``at`` always holds the one at hand."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts: Counter[str] = Counter()
    flaws, slowest = [], 0.0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        for number in numbers:
            at.value = number
            case = mutant(number, reseal_hdf5=reseal)
            start = time.process_time()
            try:
                counts[judge(case, Path(scratch) / "data.fred.zarr")] += 1
            except Exception as error:
                flaws.append(f"{number} {'+'.join(case.mutations)}: {type(error).__name__}: {error}")
            elapsed = time.process_time() - start
            slowest = max(slowest, elapsed)
            if elapsed > SLOW:
                flaws.append(f"{number} {'+'.join(case.mutations)}: {elapsed:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answers.put({"counts": dict(counts), "flaws": flaws, "slowest": slowest, "peak": peak})


def run(numbers: range, *, reseal: bool, workers: int) -> dict[str, Any]:
    """Judge all mutants in ``workers`` children at a time."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    share = 2000
    waiting = [range(a, min(a + share, numbers.stop)) for a in range(numbers.start, numbers.stop, share)][::-1]
    running: list[tuple[Any, range, Any]] = []
    total: dict[str, Any] = {"counts": Counter(), "flaws": [], "deaths": [], "slowest": 0.0, "peak": 0}
    while waiting or running:
        while waiting and len(running) < workers:
            part, at = waiting.pop(), context.Value("q", -1)
            child = context.Process(target=work, args=(part, reseal, at, answers))
            child.start()
            running.append((child, part, at))
        time.sleep(0.05)
        while not answers.empty():
            answer = answers.get()
            total["counts"].update(answer["counts"])
            total["flaws"] += answer["flaws"]
            total["slowest"] = max(total["slowest"], answer["slowest"])
            total["peak"] = max(total["peak"], answer["peak"])
            for flaw in answer["flaws"]:
                print(flaw, file=sys.stderr, flush=True)
        for entry in [entry for entry in running if not entry[0].is_alive()]:
            child, part, at = entry
            running.remove(entry)
            if child.exitcode:
                total["deaths"].append(f"{at.value}: exit code {child.exitcode}")
                print(f"died at {at.value}, exit code {child.exitcode}", file=sys.stderr, flush=True)
                waiting.append(range(at.value + 1, part.stop))
    while not answers.empty():
        total["counts"].update(answers.get()["counts"])
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reseal-hdf5", action="store_true")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.files)
    start = time.perf_counter()
    total = run(numbers, reseal=options.reseal_hdf5, workers=options.workers)
    print(json.dumps({**total, "seconds": round(time.perf_counter() - start)}, indent=1))
    sys.exit(bool(total["flaws"] or total["deaths"]))


if __name__ == "__main__":
    main()
