"""What every test meets: one thread for each process, and a check of the tools that it needs."""

import os

# Before anything imports torch: test processes run side by side, and spinning threads of one starve the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
from needed import absence


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A test whose tool is missing fails in continuous integration (CI is set), and is skipped elsewhere."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if reason := absence(name):
                (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
