"""Loading compiled loops: declared, absent, broken, or built from other sources."""

import ctypes
import logging
import os
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest
import sanitizers

import fredfmt
from fredfmt.storage.compiled import load_compiled

ROOT = Path(__file__).parent.parent.parent
PROJECT = """
[project]
name = "toy"
version = "1"
[tool.setuptools]
packages = ["toy"]
[[tool.setuptools.ext-modules]]
name = "toy._loops"
sources = ["toy/_loops.c"]
depends = ["toy/_loops_kernel.h"]
py-limited-api = true
"""
ENCODE = """
import logging, sys, numpy as np
logging.basicConfig()
from fredfmt.storage.coder import compiled, decode, encode
values = np.arange(-6, 6, dtype=np.int16).reshape(3, 4)
assert (decode(encode(values), np.dtype(np.int16), values.shape) == values).all()
print(compiled.LIBRARY.library)
"""


@pytest.mark.needs("a C compiler")
def test_functions_are_declared():
    loaded = load_compiled("fredfmt.codec._planes", {"fredfmt_planes": (ctypes.c_int, [ctypes.c_void_p] * 3)})
    assert loaded
    assert loaded.absence is None
    assert loaded.library.fredfmt_planes.argtypes == (ctypes.c_void_p,) * 3
    assert loaded.library.fredfmt_planes.restype is ctypes.c_int


@pytest.mark.parametrize(("origin", "words"), [(None, "not installed"), ("broken.so", "cannot be loaded")])
def test_absent_loops_say_why(origin, words, tmp_path, monkeypatch):
    if origin:
        (tmp_path / origin).write_bytes(b"no library")
        spec = ModuleSpec("fredfmt.codec._planes", None, origin=str(tmp_path / origin))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec if origin else None)
    loaded = load_compiled("fredfmt.codec._planes", {})
    assert not loaded
    assert loaded.library is None
    assert words in loaded.absence


@pytest.mark.needs("a C compiler")
def test_a_library_without_a_function_is_not_used(caplog):
    loaded = load_compiled("fredfmt.codec._planes", {"fredfmt_of_tomorrow": (None, [])})
    assert not loaded
    assert "another version" in loaded.absence
    assert caplog.text.count("pip install -e .") == 1


@pytest.mark.needs("a C compiler", "setuptools")
def test_a_library_is_used_only_with_the_sources_that_it_was_built_from(tmp_path, monkeypatch, caplog):
    """Changed are an argument, a header, and sources that are older than the library, as a copied tree has them."""
    source, header = tmp_path / "toy" / "_loops.c", tmp_path / "toy" / "_loops_kernel.h"
    source.parent.mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    shutil.copy(ROOT / "setup.py", tmp_path)
    source.write_text('#include "_loops_kernel.h"\nint one(int *a) { return *a + ADDED; }\n')
    header.write_text("#define ADDED 1\n")
    build(tmp_path)
    (library,) = source.parent.glob("_loops.*.so")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: ModuleSpec(name, None, origin=str(library)))
    functions = {"one": (ctypes.c_int, [ctypes.POINTER(ctypes.c_int)])}
    loaded = load_compiled("toy._loops", functions)
    assert loaded.library.one(ctypes.c_int(4)) == 5
    for changed, content in (
        (source, '#include "_loops_kernel.h"\nint one(int b, int *a) { return *a + b; }\n'),
        (header, "#define ADDED 2\n"),
    ):
        caplog.clear()
        changed.write_text(content)
        os.utime(changed, (0, 0))
        loaded = load_compiled("toy._loops", functions)
        assert loaded.library is None
        assert loaded.absence == "toy._loops was built from another version of its sources"
        assert [(record.levelno, record.getMessage().count(loaded.absence)) for record in caplog.records] == [
            (logging.WARNING, 1)
        ]
        build(tmp_path)
        copied = Path(shutil.copy(library, source.parent / f"{changed.name}.so"))  # the old one stays loaded
        monkeypatch.setattr("importlib.util.find_spec", lambda name, at=copied: ModuleSpec(name, None, origin=str(at)))
        assert load_compiled("toy._loops", functions)
    for path in (source, header):
        path.unlink()
    assert load_compiled("toy._loops", functions), "a wheel has no sources"


def build(folder):
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.needs("a C compiler")
def test_a_package_with_an_outdated_library_works_and_warns_once(tmp_path):
    copied = shutil.copytree(Path(fredfmt.__file__).parent, tmp_path / "fredfmt")
    library = tmp_path / "fredfmt" / "storage" / "coder" / Path(find_spec("fredfmt.storage.coder._context").origin).name
    with (copied / "storage" / "coder" / "_context.c").open("a") as source:
        source.write("/* of tomorrow */\n")
    command = [sys.executable, "-c", ENCODE]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert library.is_file()
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "None"
    assert run.stderr.count("WARNING:fredfmt") == 1
    assert "fredfmt.storage.coder._context was built from another version of its sources" in run.stderr


def test_the_names_of_all_sources_of_an_extension_begin_with_its_name():
    for extension in sanitizers.declared():
        folder, stem = Path(extension["sources"][0]).parent, extension["name"].rpartition(".")[2]
        files = [*extension["sources"], *extension.get("depends", ())]
        assert {ROOT / file for file in files} == {*(ROOT / folder).glob(f"{stem}*.[ch]")}
