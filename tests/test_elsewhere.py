"""Tests in separate processes: on a device that is simulated, and of kernels that are interpreted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def run(folder, **environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"tests/{folder}"]
    environment = {**os.environ, **environment}
    ended = subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


@pytest.mark.slow
def test_nothing_is_left_on_the_cpu_and_nothing_differs():
    """Decoding, loading, distilling and evaluating."""
    run("on_device", FREDFMT_TEST_DEVICE="simulated")


@pytest.mark.slow
@pytest.mark.needs("triton")
def test_the_kernel_for_gpus_makes_the_images_of_torch():
    run("interpreted", TRITON_INTERPRET="1")
