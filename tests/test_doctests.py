"""Every example (``>>>``) in a docstring runs, each module's in an empty folder."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import fredfmt
import fredfmt.distill

ROOT = Path(__file__).parent.parent
PACKAGES = {"fredfmt": "fredfmt", "distill": "fredfmt.distill", "cli": "fredfmt.cli"}
"""The package that each folder of the repository is installed as."""


def modules_with_examples():
    """The names of all modules whose text has an example."""
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in path.read_text():
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                yield ".".join((package, *parts)).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FREDFMT_CACHE", str(tmp_path / "cache"))
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    examples = [part for part in found if part.examples]
    assert examples, f"{name} has `>>> ` where no docstring begins"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = []
    for part in examples:
        runner.run(part, out=report.append)
    assert runner.failures == 0, "".join(report)


def public_names():
    """The names of the two front doors, and those that the pages in docs/api document."""
    for module in (fredfmt, fredfmt.distill):
        yield from (f"{module.__name__}.{name}" for name in module.__all__)
    for page in (ROOT / "docs/api").glob("*.md"):
        for name, members in re.findall(
            r"^::: (\S+)(?:\n    options: \{members: \[(.*)\]\})?$", page.read_text(), re.M
        ):
            yield from (f"{name}.{member}" for member in members.split(", ")) if members else (name,)


def public_functions_and_classes():
    """The public functions and classes; not errors, which are raised for users and not made by them."""
    for name in sorted(set(public_names())):
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        if callable(value) and not (isinstance(value, type) and issubclass(value, Exception)):
            yield pytest.param(value, id=name)


@pytest.mark.parametrize("public", list(public_functions_and_classes()))
def test_every_public_function_and_class_has_an_example(public):
    assert ">>> " in (public.__doc__ or "")
