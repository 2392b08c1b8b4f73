"""The context of each section: the device, the amount of work, the time that is left; and the rows of the table."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fredfmt.codec.devices import wait_for

Job = Callable[[], object]
Row = dict[str, Any]
WAYS = ("fredfmt", "graph", "torch", "compiled", "bfloat16", "plain", "torch-dct", "copy")
COLUMNS = ("what", "unit", *WAYS, "ratio", "bandwidth")
"""The columns of the table; a row omits columns without a value. Other facts are in ``note``."""
_TURN = 2e-3
"""The least seconds of a measurement of a job, so that launching it and synchronising with the device do not count."""


@dataclass
class Running:
    """One run of the benchmark."""

    device: torch.device
    tiny: bool
    until: float
    """The time by which everything must be done, by `time.monotonic`."""
    learn: Sequence[str]
    """What to distil."""
    data_root: str | None = None
    files: Path | None = None
    """Where distilled files are saved."""
    until_here: float = math.inf
    """The time by which the present section must be done; later sections have theirs."""
    notes: list[str] = field(default_factory=list)

    def left(self) -> float:
        """The seconds that are left."""
        return self.until - time.monotonic()

    def begin(self, share: float) -> None:
        """Begin a section, which may take this share of the time that is left."""
        self.until_here = time.monotonic() + share * self.left()

    def omits(self, what: str, made: list[Row]) -> bool:
        """Whether the time of the section is over; then a row says that ``what`` is left out."""
        late = time.monotonic() > self.until_here
        if late:
            made.append({"what": what, "note": "left out: no time"})
        return late

    def wait(self) -> None:
        """Wait until the device has finished all its work."""
        wait_for(self.device)

    def seconds(self, jobs: dict[str, Job], *, turns: int) -> dict[str, float]:
        """Median seconds of each job over ``turns`` alternating measurements, after one to warm up. A job that runs out
        of the device's memory is omitted."""
        spent: dict[str, list[float]] = {name: [] for name in jobs}
        times: dict[str, int] = {}
        for name, job in list(jobs.items()):
            try:
                first = self._turn(job, 1)
                times[name] = max(1, round(_TURN / max(self._turn(job, 1), 1e-7))) if first else 1
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
        for _ in range(turns):
            for name, count in times.items():
                spent[name].append(self._turn(jobs[name], count))
        return {name: statistics.median(spent[name]) for name in times}

    def _turn(self, job: Job, count: int) -> float:
        self.wait()
        began = time.perf_counter()
        for _ in range(count):
            job()
        self.wait()
        return (time.perf_counter() - began) / count

    def captured(self, job: Job) -> Job | None:
        """The job as a CUDA graph, which is replayed; None on other devices, or if it cannot be captured."""
        if self.device.type != "cuda":
            return None
        try:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    job()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                job()
        except RuntimeError as error:
            self.notes.append(f"not captured: {str(error).partition(chr(10))[0]}")
            torch.cuda.synchronize(self.device)
            return None
        return graph.replay
