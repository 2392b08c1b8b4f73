"""The recipes of CONTRIBUTING.md do what they say: each is followed to the letter in a copy of the packages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECIPES = re.findall(r"^### (.*?)$(.*?)(?=^##|\Z)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
FRESH = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
from fredfmt.cli import main
main()
"""
"""The command from the copy alone, without the finder of an editable installation."""


def place(folder, name):
    """Where a file of the repository lies in a copy as it is installed."""
    return folder / (name if name.startswith("fredfmt/") else f"fredfmt/{name}")


def change(text, hunks):
    """Apply hunks as `diff` writes them, without line numbers and parts of lines allowed at the end."""
    for hunk in hunks.split("\n\n"):
        lines = hunk.rstrip("\n").split("\n")
        old = "\n".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(old) == 1, f"{old!r} is not there once"
        text = text.replace(old, "\n".join(line[1:] for line in lines if line[0] in " +"))
    return text


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [text for _, text in RECIPES], ids=[title for title, _ in RECIPES])
def test_a_recipe_works(recipe, tmp_path):
    packages = tmp_path / "packages"
    for folder in ("fredfmt", "distill", "cli"):
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(
            ROOT / folder, packages / "fredfmt" / folder.replace("fredfmt", ""), ignore=ignored, dirs_exist_ok=True
        )
    here = tmp_path / "here"
    here.mkdir()
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL):
        if language == "sh":
            for line in text.splitlines():
                follow(line, packages, here)
            continue
        name, rest = re.match(r"# (\S+)\n(.*)", text, re.DOTALL).groups()
        path = place(packages, name)
        if language == "python":
            assert not path.exists()
            path.write_text(rest)
        else:
            path.write_text(change(path.read_text(), rest))


def follow(line, packages, here):
    """A line of shell; `fredfmt` is the command of the copy."""
    script = here.parent / "fresh.py"
    script.write_text(FRESH)
    functions = f'python() {{ "{sys.executable}" "$@"; }}\nfredfmt() {{ python "{script}" "$@"; }}\n'
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    run = subprocess.run(
        ["sh", "-ec", functions + line], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_there_is_a_recipe_for_each_kind():
    assert [title.split()[-1] for title, _ in RECIPES] == ["transform", "mask", "objective", "importer", "command"]
