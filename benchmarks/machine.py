"""The machine that a figure was measured on, and the memory that a process used."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    told = dict(line.split(":", 1) for line in lines[:40] if ":" in line)
    known = {key.strip(): value.strip() for key, value in told.items()}
    name = known.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {known['cpu family']}, model {known['model']})" if "cpu family" in known else name


def peak() -> int:
    """The largest resident memory of this process in bytes, on Linux. It does not include that of the parent process,
    as ``ru_maxrss`` does."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
