"""The arrows of docs/architecture.md: rooms import from rooms below them only, and no module imports in a circle.

Imports inside functions and those for type checkers count like any other.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "fredfmt": ["errors", "transforms", "model", "storage", "codec", "data", "view", "exchange"],
    "distill": [
        *("augment", "settings", "runtime", "networks", "experts", "objectives", "config", "synset", "evaluation"),
        *("run", "choosing", "distilling"),
    ],
}
"""The rooms of each package from the ground up."""
FRONT_DOORS = {"fredfmt", "fredfmt.__main__", "fredfmt.distill"}
"""They hand out what their rooms have, and no room imports from them."""


def modules():
    """Every module of the distribution by its name, with its tree."""
    found = {}
    for folder, package in (("fredfmt", "fredfmt"), ("distill", "fredfmt.distill"), ("cli", "fredfmt.cli")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text())
    return found


MODULES = modules()


def imports_of(name):
    """The modules of the distribution that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            found |= {
                part if (part := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            }
    return {module for module in found if module in MODULES and module != name}


def room_of(name):
    """(package, number of the room from below), None for front doors."""
    parts = name.split(".")
    package = parts[1] if parts[1:2] in (["distill"], ["cli"]) else parts[0]
    if package == "cli":
        return ("cli", 0)
    room = parts[2] if package == "distill" else parts[1]
    return (package, ROOMS[package].index(room))


@pytest.mark.parametrize("name", sorted(set(MODULES) - FRONT_DOORS))
def test_arrows_point_down(name):
    package, room = room_of(name)
    storeys = ["fredfmt", "distill", "cli"]
    for other in imports_of(name):
        if other in FRONT_DOORS:
            assert package == "cli", f"{name} imports the front door {other}"
            continue
        below, there = room_of(other)
        assert (storeys.index(below), there) <= (storeys.index(package), room), f"{name} imports {other}"


def test_no_module_imports_in_a_circle():
    finished, path = set(), []

    def walk(name):
        if name in finished:
            return
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        path.append(name)
        for other in sorted(imports_of(name)):
            walk(other)
        finished.add(path.pop())

    for name in sorted(set(MODULES) - FRONT_DOORS):
        walk(name)


def test_the_top_of_the_package_is_small():
    entries = {name.split(".")[1] for name in MODULES if name.count(".") and not name.startswith("fredfmt.distill")}
    assert entries - {"cli", "__main__"} == set(ROOMS["fredfmt"])
    assert len(ROOMS["fredfmt"]) <= 8


def test_the_map_names_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text()
    for package, rooms in ROOMS.items():
        for room in rooms:
            assert f"`{package}/{room}" in page, f"docs/architecture.md does not name {package}/{room}"


def test_the_paths_of_the_map_exist():
    pages = [(ROOT / "docs" / name).read_text() for name in ("architecture.md", "decisions/house.md")]
    named = {path for page in pages for path in re.findall(r"`((?:fredfmt|distill|cli)/[\w/.]*)`", page)}
    assert len(named) > 30
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


TESTS = sorted((ROOT / "tests").rglob("*.py"))
EXTENSIONS = {"_block", "_context", "_planes"}
"""Compiled loops, which tests build and load by their names."""


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in EXTENSIONS


def private_names():
    """Every private name that a module of the distribution defines."""
    found = set()
    for tree in MODULES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
    return set(filter(is_private, found))


def private_uses(tree, names):
    """Where a test reaches for a private name of the distribution: an import, an attribute, or one that it patches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("fredfmt"):
            yield from ((node.lineno, alias.name) for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) not in ("self", "cls"):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "getattr", "delattr")):
            words = [part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            yield from ((node.lineno, word) for word in words[:1] if word.rpartition(".")[2] in names)


def test_tests_use_no_private_names():
    names = private_names()
    used = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in TESTS
        for line, name in private_uses(ast.parse(path.read_text()), names)
    ]
    assert not used


@pytest.mark.parametrize(
    "line",
    [
        "from fredfmt.codec.decoder import _empty",
        "decoder._empty(1)",
        "monkeypatch.setattr(decoder, '_empty', None)",
        "monkeypatch.setattr('fredfmt.codec.decoder._empty', None)",
        "getattr(decoder, '_empty')",
    ],
)
def test_private_names_are_found(line):
    assert [name.rpartition(".")[2] for _, name in private_uses(ast.parse(line), private_names())] == ["_empty"]
