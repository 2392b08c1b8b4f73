"""The vectors: built anew to the same bytes, judged alike by fredfmt and the reference reader, open to plain Zarr."""

import hashlib
import json
import shlex
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

import fredfmt

SPEC = Path(__file__).parent.parent.parent / "spec"
VECTORS = SPEC / "vectors" / "1.0"
sys.path[:0] = [str(SPEC / "vectors"), str(SPEC / "conformance"), str(SPEC / "reference")]

import build  # noqa: E402
import fred_reference  # noqa: E402
import run  # noqa: E402

HDF5 = (2, 0, 0)
"""The HDF5 library that wrote the committed .fred.h5 vectors; others lay bytes differently."""


def contents(root):
    found = {}
    for path in sorted(root.rglob("*")):
        key = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[key] = f"link to {path.readlink()}"
        elif path.is_file() and not (path.suffix == ".h5" and h5py.version.hdf5_version_tuple != HDF5):
            found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_the_vectors_are_built_anew_byte_for_byte(tmp_path):
    build.build(tmp_path / "1.0")
    assert contents(tmp_path / "1.0") == contents(VECTORS)


@pytest.mark.parametrize(
    ("name", "command", "validator"), run.OURS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_implementations_conform(name, command, validator):
    verdicts = list(run.drive(command, VECTORS, validator=validator))
    assert [verdict for verdict in verdicts if verdict[2]] == []
    supported = sum(1 for _, case in run.cases(VECTORS) if validator or case["file"].endswith(".fred"))
    assert len({name for name, _, _ in verdicts}) == supported
    assert {level for _, level, _ in verdicts} == {"metadata", "structure", "integrity", "values"}


@pytest.mark.parametrize(
    ("flaw", "level"),
    [
        ("fred_reference.matrix = lambda name, n: __import__('numpy').eye(n)", "values"),
        ("fred_reference.check_metadata = lambda meta: None", "metadata"),
        ("fred_reference.check_arrays = lambda meta, arrays: None", "structure"),
        ("fred_reference.crc32c = lambda data: 0", "structure"),
        ("fred_reference.zlib.crc32 = lambda data: 0x12345678", "integrity"),
    ],
)
def test_the_runner_notices_a_wrong_implementation(tmp_path, flaw, level):
    script = (SPEC / "conformance" / "reference.py").read_text()
    script = script.replace("Path(__file__).parent.parent", f"Path({str(SPEC)!r})")
    (tmp_path / "wrong.py").write_text(script.replace("import fred_reference\n", f"import fred_reference\n{flaw}\n"))
    command = shlex.split(f"{shlex.quote(sys.executable)} {tmp_path}/wrong.py")
    verdicts = list(run.drive(command, VECTORS, validator=False))
    assert level in {level for _, level, complaint in verdicts if complaint}


@pytest.mark.parametrize("folder", sorted((VECTORS / "valid").iterdir()), ids=lambda folder: folder.name)
def test_plain_zarr_and_h5py_read_the_same_numbers(folder):
    case = json.loads((folder / "case.json").read_text())
    path = folder / case["file"]
    stored = fredfmt.storage.reading.read_package(path).arrays
    if path.name.endswith(".h5"):
        plain = h5py.File(path)
    else:
        plain = zarr.open_group(zarr.storage.ZipStore(path, mode="r") if path.suffix == ".fred" else path, mode="r")
    for name, array in stored.items():
        found = plain[name][...]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array.read())


@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr", ".fred.h5"])
def test_golden_files_are_read_for_ever(suffix):
    digests = json.loads((SPEC / "golden" / "digests.json").read_text())
    assert digests
    for name, digest in digests.items():
        data = fredfmt.load(SPEC / "golden" / f"{name}{suffix}")
        assert fredfmt.digest(data) == digest
        meta, arrays = fred_reference.read((SPEC / "golden" / f"{name}.fred").read_bytes())
        np.testing.assert_allclose(fredfmt.decode(data), fred_reference.decode(meta, arrays), atol=1e-5)


def test_every_released_version_has_its_golden_files():
    assert {path.name for path in (SPEC / "golden").iterdir() if path.is_dir()} >= {"0.1"}
