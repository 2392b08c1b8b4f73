"""The examples run, and do what they say."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_objective_of_ones_own():
    rows = re.findall(
        r"^(file|own start|coded images)\s+[\d,]+ B\s+([\d.]+)%", run("own_objective.py", "40"), re.MULTILINE
    )
    assert [name for name, _ in rows] == ["file", "own start", "coded images"]
    assert all(float(accuracy) > 40 for _, accuracy in rows)
    source = (EXAMPLES / "own_objective.py").read_text()
    assert len(source.split("class GramMatching")[1].split("if __name__")[0].splitlines()) < 40


def test_the_drop_in():
    lines = run("drop_in.py", "12").splitlines()
    for line, name in zip(lines, ("pixels", "frequencies"), strict=True):
        first, last = map(float, re.findall(r"\d+\.\d+", line))
        assert line.startswith(name)
        assert last < first
