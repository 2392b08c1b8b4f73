"""The compiled loops under gcc's address and undefined-behaviour sanitizers: ``make test-sanitized``, on Linux.

Builds every extension that pyproject.toml names with both sanitizers into a folder of its own, makes sure that an error
would be seen, and runs the tests of the packages that call compiled loops. Options go to pytest.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
TESTS = {
    "fredfmt.codec._planes": ("tests/codec/test_decoder.py", "tests/codec/test_kernels.py"),
    "fredfmt.distill.networks._block": ("tests/distill/test_fused.py",),
    "fredfmt.storage.coder._context": ("tests/storage/coder",),
}
"""The tests that call each extension: every one of pyproject.toml is here."""
ERRORS = {
    "AddressSanitizer: heap-buffer-overflow": "void fault(int *out, int count) { out[count] = 1; }",
    "runtime error: signed integer overflow": "void fault(int *out, int count) { out[0] = count + 0x7fffffff; }",
}
"""What each sanitizer says, and a function of C that makes it."""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "CC": "gcc",
            "CFLAGS": FLAGS,
            "LDFLAGS": FLAGS,
            "ASAN_OPTIONS": "detect_leaks=0",  # Python and torch keep memory to the end
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONPATH": folder,
            "PYTHONSAFEPATH": "1",
        }
        install(Path(folder), environment)
        environment["LD_PRELOAD"] = " ".join(map(library, ("libasan.so", "libubsan.so")))
        check_extensions(Path(folder))
        for words, source in ERRORS.items():
            check_that_it_is_seen(words, source, Path(folder), environment)
        tests = python("-m", "pytest", "-m", "not slow", *chain(*TESTS.values()), *sys.argv[1:])
        return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode


def install(folder: Path, environment: dict[str, str]) -> None:
    """A copy of the tree, as the objects of this build must not be taken for those of another, into ``folder``."""
    with tempfile.TemporaryDirectory() as scratch:
        left_out = shutil.ignore_patterns(".*", "build", "dist", "demo", "site", "*.so", "*.egg-info")
        source = shutil.copytree(ROOT, Path(scratch) / "source", ignore=left_out)
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", folder)
        subprocess.run(python("-m", "pip", "install", *options, source), env=environment, check=True)


def python(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, *arguments]


def declared() -> list[dict[str, Any]]:
    """The extensions, as pyproject.toml declares them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = project["tool"]["setuptools"]["ext-modules"]
    return found


def extensions() -> set[str]:
    """The names of all extensions that are built."""
    return {extension["name"] for extension in declared()}


def library(name: str) -> str:
    """Where gcc has a library of its own."""
    run = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return str(Path(run.stdout.strip()).resolve())


def check_extensions(folder: Path) -> None:
    """Every extension is there, and calls the sanitizer."""
    for name in extensions():
        found = list(folder.glob(f"{name.replace('.', '/')}.*.so"))
        assert len(found) == 1, f"{name} was not built"
        assert b"__asan_init" in found[0].read_bytes(), f"{found[0]} is not sanitized"


def check_that_it_is_seen(words: str, source: str, folder: Path, environment: dict[str, str]) -> None:
    """A function with an error, called by ctypes on torch's memory, ends the process with the sanitizer's words."""
    made = folder / "fault.so"
    subprocess.run(["gcc", *FLAGS.split(), "-shared", "-o", made, "-x", "c", "-"], input=source, text=True, check=True)
    run = subprocess.run(python(__file__, made), env=environment, capture_output=True, text=True, check=False)
    assert run.returncode != 0, "the sanitizers see nothing"
    assert words in run.stderr, run.stderr


def fault(made: str) -> None:
    import torch

    numbers = torch.zeros(10, dtype=torch.int32)
    ctypes.CDLL(made).fault(ctypes.c_void_p(numbers.data_ptr()), 10)


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].endswith(".so"):
        fault(sys.argv[1])
    else:
        sys.exit(main())
