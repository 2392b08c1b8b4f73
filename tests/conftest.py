"""What every test meets: one thread for each process, and a check of the tools that it needs."""

import os

# Before anything imports torch: test processes run side by side, and spinning threads of one starve the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
from needed import absence, miss

ELSEWHERE = {"on_device": "FREDFMT_TEST_DEVICE", "interpreted": "TRITON_INTERPRET"}
"""Folders of tests, and the environment variable of the process that runs them."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A test whose tool is missing fails in continuous integration (CI is set), and is skipped elsewhere.

    A job that is about a missing tool names it in ``FREDFMT_WITHOUT``, with commas between several.
    """
    without = os.environ.get("FREDFMT_WITHOUT", "").split(",")
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if reason := absence(name):
                (pytest.skip if name in without else miss)(reason)


def pytest_ignore_collect(collection_path):
    """Tests that run in a process of their own: torch is not the same once a simulated device is there, and neither is
    Triton once it interprets kernels."""
    variable = ELSEWHERE.get(collection_path.name)
    return True if variable and variable not in os.environ else None


def pytest_collection_modifyitems(items):
    """What takes a device is marked: ``FREDFMT_TEST_DEVICE=cuda python -m pytest -m device``."""
    taking = [item for item in items if "device" in item.fixturenames]
    for item in taking:
        item.add_marker("device")
    if taking and os.environ["FREDFMT_TEST_DEVICE"] == "simulated":
        import simulated

        for item in taking:
            item.add_marker(pytest.mark.needs("fake GPUs"))
        if simulated.AVAILABLE:
            simulated.register()


@pytest.fixture
def device(monkeypatch):
    """A device other than the CPU: the one named by ``FREDFMT_TEST_DEVICE``."""
    import simulated
    import torch

    name = os.environ["FREDFMT_TEST_DEVICE"]
    if name != simulated.NAME:
        return torch.device(name)
    monkeypatch.setattr(torch, "tensor", simulated.making_tensors(torch.tensor))
    return torch.device(simulated.NAME)


@pytest.fixture(scope="module")
def hasty():
    """Settings choose themselves in seconds, whatever the effort: for tests of what is chosen, not of how well."""
    from fredfmt.distill import choosing

    cost = choosing.Cost(
        iterations=20, teacher_steps=60, trial_iterations=5, trial_steps=100, trial_seeds=1, unrolling=False
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "EFFORTS", dict.fromkeys(choosing.EFFORTS, cost))
        yield cost
