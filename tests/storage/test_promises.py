"""The table of SECURITY.md names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_promise_names_a_test_that_there_is():
    table = (ROOT / "SECURITY.md").read_text().split("## Container by fault")[1].split("\n## ")[0]
    rows = [row.split("|")[5] for row in table.splitlines() if row.startswith("| ")][1:]
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) >= 12
    for row in rows:
        named = re.findall(r"`(test_\w+|tests/[\w/]+)`", row)
        assert named, row
        for name in named:
            assert (ROOT / name).is_dir() if "/" in name else f"def {name}(" in sources, name
