"""Running from a checkout that is not installed: the packages where Python finds them, and what else is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    *("numpy", "torch", "torchvision", "h5py", "PIL", "scipy", "pytest", "hypothesis"),
    *("zarr", "numcodecs", "google_crc32c"),
)
"""Modules that the sections import."""
OPTIONAL = ("torch_dct",)
"""Without these a column stays empty."""
CARRIED = (
    *("zarr==3.4.2", "numcodecs==0.17.1", "google-crc32c==1.9.0", "donfig==0.8.1.post1", "msgspec==0.22.0"),
    "torch-dct==0.1.6",
)
"""What a machine with the others usually lacks, and what that needs."""
FOLDER = ".whl"


def missing(modules: tuple[str, ...]) -> list[str]:
    """Those of ``modules`` that are not here."""
    return [module for module in modules if find_spec(module) is None]


def wheels() -> str:
    """The commands that fetch the wheels to carry, here, and install them, there."""
    levels = (28, 27, 17)
    platforms = (
        " ".join(f"--platform manylinux_2_{level}_x86_64" for level in levels) + " --platform manylinux2014_x86_64"
    )
    return "\n".join(
        (
            "# here, for Python 3.12 on x86-64:",
            f"python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp"
            f" {platforms} -d {FOLDER} {' '.join(CARRIED)}",
            "# there, without a package index:",
            f"python3 -m pip install --no-index --no-deps --target .gpu/site {FOLDER}/*.whl",
            "PYTHONPATH=.gpu/site python3 benchmarks/gpu.py",
        )
    )


def is_importable() -> bool:
    """Whether ``import fredfmt.distill`` finds this checkout."""
    spec = find_spec("fredfmt")
    here = spec is not None and spec.origin is not None and Path(spec.origin).resolve().is_relative_to(ROOT)
    return here and find_spec("fredfmt.distill") is not None


def again_with_packages(arguments: list[str]) -> int:
    """Run this script in a process that can import the checkout, and return its exit status.

    ``fredfmt.distill`` and ``fredfmt.cli`` are folders beside ``fredfmt`` (see pyproject.toml): a folder of links puts
    them where they are imported from.
    """
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "fredfmt"
        package.mkdir()
        for part in (*(ROOT / "fredfmt").iterdir(), ROOT / "distill", ROOT / "cli"):
            (package / part.name).symlink_to(part)
        path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        script = str(ROOT / "benchmarks" / "gpu.py")
        command = [sys.executable, script, *arguments, "--no-links"]
        return subprocess.run(command, env=environment, check=False).returncode
