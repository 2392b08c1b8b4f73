"""Tools and data that some tests need beside fredfmt: a test says so by ``@pytest.mark.needs("node")``.

Names that are not in `TOOLS` are Python modules.
"""

import importlib.util
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FASHION = Path("/usr/share/datasets/fashion-mnist")
COMPILER = shutil.which(os.environ.get("CC", "cc"))
"""The one that an installation takes."""
TORCH = tuple(map(int, re.findall(r"\d+", version("torch"))[:2]))

TOOLS = {
    "chromium": (CHROMIUM, "apt-get install chromium"),
    "node": (shutil.which("node"), "apt-get install nodejs"),
    "a C compiler": (COMPILER, "apt-get install gcc"),
    "clang": (shutil.which("clang"), "apt-get install clang"),
    "qemu-x86_64": (shutil.which("qemu-x86_64"), "apt-get install qemu-user"),
    "qemu-aarch64": (shutil.which("qemu-aarch64"), "apt-get install qemu-user"),
    "aarch64-linux-gnu-gcc": (
        shutil.which("aarch64-linux-gnu-gcc"),
        "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ),
    "fake GPUs": (
        TORCH >= (2, 10),
        "pip install 'torch>=2.10': older ones ask the driver when a fake tensor is indexed",
    ),
    "fashion-mnist": (FASHION.is_dir(), "apt-get install dataset-fashion-mnist"),
}
"""Whether each is here, and how to install it."""

compiled_loops = pytest.mark.needs("a C compiler")
"""For tests that take a minute or more without compiled loops."""


def absence(name: str) -> str | None:
    """Why a test that needs ``name`` cannot run here, None where it can."""
    if name in TOOLS:
        found, install = TOOLS[name]
    else:
        found, install = importlib.util.find_spec(name), "pip install -e '.[dev]'"
    return None if found else f"{name} is missing: {install}"


def miss(reason: str) -> NoReturn:
    """Fail in continuous integration (CI is set), skip elsewhere."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
