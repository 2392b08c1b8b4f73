"""What is meant for a GPU runs on a CPU, installed or not, and the plain loop learns what fredfmt does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def run(*arguments, **environment):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, **environment}
    environment.pop("PYTHONSAFEPATH", None)  # the script imports what lies beside it
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_every_section_runs_on_a_cpu(tmp_path):
    path = tmp_path / "report.json"
    code, table, said = run("--device", "cpu", "--tiny", "--out", path, "--files", tmp_path / "files")
    assert code == 0, table + said
    sections = json.loads(path.read_text())["sections"]
    (tests,) = sections["suite"]
    assert tests["fredfmt"] > 5
    assert tests["failed"] == {}
    assert all(row["bandwidth"] > 0 and row["ratio"] > 0 for row in sections["decoding"][1:])
    steps = {row["what"]: row for row in sections["steps"]}
    assert list(steps) == [f"step of {objective}" for objective in ("dm", "dc", "frepo", "unroll", "tm")]
    assert max(row["difference"] for row in steps.values()) < 5e-3
    assert all(row["fredfmt"] > 0 and row["plain"] > 0 for row in steps.values())
    (epoch,) = sections["loading"]
    assert epoch["fredfmt"] > 0
    assert [row["what"].rpartition(": ")[2] for row in sections["learning"]] == ["steps", "paper"]
    assert all(0 < row["fredfmt"] <= 100 for row in sections["learning"])
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["digits-200.fred"]
    assert all(row["what"] in table for rows in sections.values() for row in rows)


def test_what_to_carry():
    code, text, _ = run("--wheels")
    assert code == 0
    assert "pip download" in text
    assert all(f"{name}==" in text for name in ("zarr", "numcodecs", "google-crc32c", "donfig", "msgspec"))


def test_a_checkout_that_is_not_installed(tmp_path):
    """Another fredfmt comes first on the path: the script's own checkout is what runs."""
    (tmp_path / "fredfmt").mkdir()
    (tmp_path / "fredfmt" / "__init__.py").write_text("raise RuntimeError('not this one')")
    options = ("--device", "cpu", "--tiny", "--sections", "loading", "--out", tmp_path / "report.json")
    code, table, said = run(*options, PYTHONPATH=str(tmp_path))
    assert code == 0, said
    assert "epoch of" in table


def test_no_gpu_is_said(tmp_path):
    code, _, said = run("--device", "cuda", "--out", tmp_path / "report.json", CUDA_VISIBLE_DEVICES="")
    assert (code, said) == (2, "no CUDA device here: use --device cpu --tiny\n")
