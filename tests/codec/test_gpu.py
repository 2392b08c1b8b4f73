"""The decoder's Triton kernel compiled for GPUs that are not here; how it decodes: tests/interpreted."""

import subprocess
import sys

import pytest

COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from fredfmt.codec.triton_kernel import decode_planes

large = sys.argv[1] == "large"
names = decode_planes.arg_names
types = dict(coefficients="*i16", masks="*i64", places="*i16")
types |= dict.fromkeys(("base", "rows", "columns", "out"), "*fp32")
block = (128, 64) if large else (32, 32)
sizes = dict(HEIGHT=block[0], WIDTH=block[0], BOX_ROWS=block[0], BOX_COLUMNS=block[0], OUT_ROWS=block[1],
             OUT_COLUMNS=block[1], PADDED_HEIGHT=block[0], PADDED_WIDTH=block[0], CHUNK=32, ONE_MASK=False,
             HAS_BASE=large, PRECISION="tf32x3")
signature = {name: types.get(name, "constexpr" if name in sizes else "i32") for name in names}
source = ASTSource(decode_planes, signature, constexprs={(names.index(name),): value for name, value in sizes.items()})
for capability in (80, 90):
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 8 if large else 2})
    assert "mma" in made.asm["ptx"]
    assert made.metadata.shared <= 160 * 1024, made.metadata.shared
"""


@pytest.mark.slow
@pytest.mark.needs("triton")
@pytest.mark.parametrize("size", ["small", "large"])
def test_it_compiles_for_gpus(tmp_path, size, monkeypatch):
    """For those of compute capability 8.0 and 9.0, whose matrix units it uses and whose shared memory suffices."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", COMPILE, size], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
