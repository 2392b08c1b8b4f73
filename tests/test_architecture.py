"""The arrows of docs/architecture.md: rooms import from rooms below them only, and no module imports in a circle.

Imports inside functions and those for type checkers count like any other.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "fredfmt": ["errors", "transforms", "model", "storage", "codec", "data", "view", "exchange"],
    "distill": [
        *("settings", "layout", "runtime", "augment", "groups", "networks", "experts", "objectives", "config"),
        *("synset", "start", "evaluation", "record", "rate", "choosing", "planning", "state", "run"),
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
            assert package == "cli" or other == "fredfmt", f"{name} imports the front door {other}"
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
