"""Every attack is stopped by the error it must meet, within a second of CPU time and 64 MiB; nothing is returned."""

import time
from pathlib import Path

import pytest
from builder import ATTACKS, sound

import fredfmt

STATUS = Path("/proc/self/status")


def peak_bytes():
    """The most memory that this process has held since `forget_peak`."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory):
    """Everything that reading imports is imported before memory is measured."""
    for suffix in (".fred", ".fred.zarr", ".fred.h5"):
        path = tmp_path_factory.mktemp("sound") / f"sound{suffix}"
        sound(suffix, path)
        assert fredfmt.validate(path).valid


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_attack_is_stopped(tmp_path, attack):
    path = tmp_path / f"attack{attack.suffix}"
    attack.make(path)
    if STATUS.exists():
        forget_peak()
        before = peak_bytes()
    start = time.process_time()
    with pytest.raises(attack.error) as caught:
        fredfmt.load(path)
    report = fredfmt.validate(path)
    elapsed = time.process_time() - start
    assert type(caught.value) is attack.error
    assert caught.value.rule == attack.rule
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 4000
    assert not report.valid
    assert attack.rule in {finding.rule for finding in report.findings}
    assert elapsed < 2  # both readings
    if STATUS.exists():
        assert peak_bytes() - before < 64 << 20
