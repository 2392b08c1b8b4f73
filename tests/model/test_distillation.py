"""The defaults that documents of settings rest on are those that the specification publishes."""

import json
from pathlib import Path

import pytest

from fredfmt.model.distillation import DEFAULTS, NAMED, abridged, complete

SPEC = Path(__file__).parent.parent.parent / "spec"


@pytest.mark.parametrize("version", DEFAULTS)
def test_the_specification_publishes_the_defaults(version):
    published = json.loads((SPEC / f"defaults-{version}.json").read_text())
    assert published == {group: dict(values) for group, values in DEFAULTS[version].items()}
    assert NAMED == {"objective": "frepo", "network": "convnet"}


def test_a_reader_can_follow_the_text_of_the_specification():
    document = {
        "defaults": 1,
        "objective": {"name": "dsa", "configuration": {"outer_loop": 9}},
        "network": {"configuration": {"width": 7}},
        "budget": {"step": None},
    }
    defaults = json.loads((SPEC / "defaults-1.json").read_text())
    names = {"objective": "frepo", "network": "convnet"}
    full = {}
    for group, values in defaults.items():
        given = document.get(group, {})
        if group in names:
            name = given.get("name", names[group])
            full[group] = {"name": name, "configuration": {**values[name], **given.get("configuration", {})}}
        else:
            full[group] = {**values, **given}
    assert complete(document) == full
    assert complete(abridged(full)) == full
