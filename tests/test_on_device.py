"""Decoding, loading, distilling and evaluating on a device that is simulated, in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.slow
def test_nothing_is_left_on_the_cpu_and_nothing_differs():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/on_device"]
    environment = {**os.environ, "FREDFMT_TEST_DEVICE": "simulated"}
    ended = subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout
