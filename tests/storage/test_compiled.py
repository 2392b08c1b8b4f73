"""Loading compiled loops: declared, absent, broken, or from another version."""

import ctypes
from importlib.machinery import ModuleSpec

import pytest

from fredfmt.storage.compiled import load_compiled


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
def test_a_library_of_another_version_is_not_used():
    loaded = load_compiled("fredfmt.codec._planes", {"fredfmt_of_tomorrow": (None, [])})
    assert not loaded
    assert "another version" in loaded.absence
