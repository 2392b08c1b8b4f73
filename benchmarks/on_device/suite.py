"""The tests that take a device, on this device: pytest in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

from on_device.checkout import ROOT
from on_device.running import Row, Running

_LONGEST = 150.0
"""Seconds."""


def rows(run: Running) -> list[Row]:
    """One: how many passed, and how many did not."""
    where = "tests/on_device/test_decoding.py" if run.tiny else "tests/on_device"  # others may need other packages
    environment = {"OMP_NUM_THREADS": "2", **os.environ, "FREDFMT_TEST_DEVICE": str(run.device), "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "device and not slow"]
        command += ["-p", "no:cacheprovider", "-p", "no:benchmark"]  # of others' plug-ins, it warns beside xdist
        command += ["--continue-on-collection-errors", f"--junitxml={report}", where]
        command += ["-n", "8"] if find_spec("xdist") and not run.tiny else []
        limit = min(_LONGEST, run.left())
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, timeout=limit, check=False, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return [{"what": "tests", "note": f"not done in {limit:.0f} s", "failed": ["not done"]}]
        if not report.exists():
            return [{"what": "tests", "note": done.stdout[-2000:] + done.stderr[-2000:], "failed": ["pytest"]}]
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = {f"{case.get('classname')}::{case.get('name')}": _message(case) for case in cases if _message(case)}
    skipped = sum(case.find("skipped") is not None for case in cases)
    return [
        {
            "what": "tests that take a device",
            "unit": "passed",
            "fredfmt": len(cases) - len(failed) - skipped,
            "note": f"{len(failed)} failed, {skipped} skipped",
            "failed": failed if cases else ["no test was run"],
        }
    ]


def _message(case: ElementTree.Element) -> str:
    """Why a test failed, nothing if it did not."""
    found = [part for kind in ("failure", "error") for part in case.findall(kind)]
    return "\n".join(f"{part.get('message')}\n{part.text}" for part in found)
