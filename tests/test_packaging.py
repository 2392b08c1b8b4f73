"""What goes into a distribution: every package, one version, and a help page with examples for each command."""

import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import sanitizers
from needed import COMPILER
from typer.testing import CliRunner

from fredfmt import __version__
from fredfmt.cli.app import app, load_command
from fredfmt.cli.commands import COMMANDS
from fredfmt.cli.examples import EXAMPLES
from fredfmt.codec.masks import MASKS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed():
    tools = PROJECT["tool"]["setuptools"]
    found = set()
    for package, folder in tools["package-dir"].items():
        for path in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join([package, *path.parent.relative_to(ROOT / folder).parts]))
    assert found == set(tools["packages"])


def test_extensions_are_there_just_where_a_compiler_is_and_tested_under_sanitizers():
    assert sanitizers.extensions() == {*sanitizers.TESTS}
    for name in sanitizers.extensions():
        assert (find_spec(name) is not None) == (COMPILER is not None), name


def test_the_version_is_in_one_place_and_has_its_entry():
    version = PROJECT["project"]["version"]
    assert __version__ == version
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == version


def test_lowest_txt_has_the_lower_bounds_of_pyproject():
    """The reverse too: what `make test-lowest` installs are the versions that pyproject.toml admits, no higher ones."""
    project = PROJECT["project"]
    of_users_and_tests = {*project["optional-dependencies"]} - {"docs", "bench", "dev"}
    lines = [
        *project["dependencies"],
        *(line for name in of_users_and_tests for line in project["optional-dependencies"][name]),
    ]
    bounds = {line.replace(">=", "==") for line in lines if not line.startswith("fredfmt[")}
    lowest = [line for line in (ROOT / "lowest.txt").read_text().splitlines() if not line.startswith("#")]
    assert sorted(map(without_zeros, lowest)) == sorted(map(without_zeros, bounds))


def without_zeros(requirement):
    """Without extras, and without zeros at the end: ``fsspec[http]==2024.6.0`` is ``fsspec==2024.6``."""
    name, version = re.sub(r"\[.*\]", "", requirement).split("==")
    return "==".join((name, re.sub(r"(\.0)+$", "", version)))


def test_extras_are_all_in_all():
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(re.findall(r"\w+", extras["all"][0].split("[")[1])) == {*extras} - {
        "all",
        "test",
        "docs",
        "bench",
        "dev",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_page_ends_with_examples_whose_options_exist(name):
    text = CliRunner().invoke(app, [name, "--help"], env={"TERMINAL_WIDTH": "200", "COLUMNS": "200"}).output
    commands = re.findall(r"\$ fredfmt (.*?)\s+# ", text.split("Examples")[1])
    assert commands == [line for line, _ in EXAMPLES[name]]


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line, _ in lines])
def test_an_example_is_parsed_by_its_command(line):
    """Names of options, types of values and numbers of arguments; nothing is run."""
    name, *words = shlex.split(line)
    context = load_command(name).make_context(name, words)
    assert not context.args


@pytest.mark.slow
def test_the_shell_completes_commands_and_options():
    def completed(words):
        code = "import sys; sys.argv[0] = 'fredfmt'; from fredfmt.cli import main; main()"
        environment = {
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
            "_FREDFMT_COMPLETE": "complete_bash",
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return done.stdout.split()

    assert completed("fredfmt in") == ["inspect"]
    assert completed("fredfmt preview --k") == ["--kind", "--k"]
    assert completed("fredfmt distill dig") == ["digits"]
    assert completed("fredfmt distill digits x.fred --objective d") == ["dc", "dm", "dsa"]
    assert completed("fredfmt encode digits x.fred --transform h") == ["haar", "hartley"]
    assert completed("fredfmt plan digits --mask ") == [*MASKS]
    assert completed("fredfmt evaluate x.fred --network v") == ["vgg11", "vit"]
    assert completed("fredfmt export x.fred y --to p") == ["png", "parquet"]
    assert "--show-completion" in CliRunner().invoke(app, ["--help"]).output
