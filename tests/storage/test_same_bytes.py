"""The same input gives the same bytes: on every processor, with every kernel, with and without a C compiler."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fredfmt
from fredfmt.codec.kernels import KERNELS, TORCH, VARIABLE
from fredfmt.storage.containers import archive

GOLDEN = Path(__file__).parents[2] / "spec" / "golden" / "0.1"

SCRIPT = """
import hashlib, json, sys
import fredfmt
from fredfmt.storage.coder import compiled
from fredfmt.storage.compiled import Compiled

folder, golden, compiler = sys.argv[1:]
if compiler == "without":
    compiled.LIBRARY = Compiled(None, "hidden by the test")
digits = fredfmt.open_source("digits").sample(7, seed=3)
coded = fredfmt.encode(
    digits.normalized, digits.labels, k=13, target_rmse=0.1, base=True, normalization=digits.normalization
)
hashes = []
for data in (coded, fredfmt.load(golden)):
    fredfmt.save(data, f"{folder}/x.fred", codec="compact")
    fredfmt.decode(data, range(20))
    hashes.append(hashlib.sha256(open(f"{folder}/x.fred", "rb").read()).hexdigest())
print(json.dumps(hashes))
"""

AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
PROCESSORS = {
    **{f"kernel {name}": {VARIABLE: name} for name in (TORCH, *(kernel.name for kernel in KERNELS if kernel.usable))},
    "BLAS of SSE3": {"OPENBLAS_CORETYPE": "Prescott"},
    "BLAS of AVX2": {"OPENBLAS_CORETYPE": "Haswell"},
    "NumPy without AVX-512": {"NPY_DISABLE_CPU_FEATURES": AVX512},
}
"""Names and environments that make the libraries take the instructions of another processor; where a library does not
know a variable, or the processor lacks the instructions to leave out, it changes nothing."""


def hashes(folder, environment, compiler="with"):
    """Of two compact files, one of them encoded from images, as a separate process writes them."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(GOLDEN / "compact.fred"), compiler]
    inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return hashes(tmp_path_factory.mktemp("expected"), {})


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_on_every_processor(processor, expected, tmp_path):
    assert hashes(tmp_path, PROCESSORS[processor]) == expected


@pytest.mark.slow
def test_without_a_compiler(expected, tmp_path):
    assert hashes(tmp_path, {VARIABLE: TORCH}, compiler="without") == expected


def test_the_golden_file_is_written_again_to_the_byte(tmp_path):
    """Its entries: how a library deflates the root document is its own affair."""
    fredfmt.save(fredfmt.load(GOLDEN / "compact.fred"), tmp_path / "x.fred", codec="compact")
    found, kept = (archive.unpack(path.read_bytes()) for path in (tmp_path / "x.fred", GOLDEN / "compact.fred"))
    assert {name: bytes(content) for name, content in found.items()} == {
        name: bytes(content) for name, content in kept.items()
    }
    chunk = hashlib.sha256(kept["coefficients/c/0/0/0"]).hexdigest()
    assert chunk == "60a78e2c4076930d41c54de75d55bf77e893275d0a7b9e196642375bff9c2182"
