"""What is imported when: the format layer and the quick commands answer without torch, and none needs the others."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "zarr", "h5py", "scipy", "PIL"}


def modules_after(code, *arguments):
    """Top-level modules that a fresh interpreter has imported after ``code``."""
    report = "import sys; sys.stderr.write(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}", *arguments], check=True, capture_output=True, text=True
    )
    return set(run.stderr.split())


def command(*words):
    return f"""
import sys
sys.argv = ["fredfmt", *{list(words)!r}]
from fredfmt.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    from fredfmt import encode, save
    from fredfmt.data.sources import open_source

    source = open_source("digits")
    path = tmp_path_factory.mktemp("imports") / "digits.fred"
    save(encode(source.normalized, source.labels, k=16), path)
    return str(path)


def test_the_package_itself_is_light():
    assert not modules_after("import fredfmt; fredfmt.open_source, fredfmt.Source, fredfmt.ZCA") & HEAVY


def test_the_front_door_has_every_name_that_it_lists():
    import fredfmt
    from fredfmt.data import sources

    assert set(fredfmt.__all__) <= set(dir(fredfmt))
    assert all(hasattr(fredfmt, name) for name in fredfmt.__all__)
    assert (fredfmt.open_source, fredfmt.Source, fredfmt.ZCA) == (sources.open_source, sources.Source, sources.ZCA)


@pytest.mark.slow
def test_quick_commands_import_nothing_heavy(digits, tmp_path):
    assert not modules_after(command("--help")) & HEAVY
    assert not modules_after(command("validate", digits)) & HEAVY
    assert not modules_after(command("inspect", digits, "--json")) & (HEAVY - {"zarr"})
    for kind in ("images", "masks", "energy", "spectra", "k"):
        assert "torch" not in modules_after(command("preview", digits, str(tmp_path / f"{kind}.png"), "--kind", kind))
    assert "torch" not in modules_after(command("report", digits, str(tmp_path / "x.html")))


def test_the_format_layer_works_where_torch_is_not_installed(digits, tmp_path):
    code = f"""
import sys
sys.modules["torch"] = sys.modules["torchvision"] = None
import numpy as np, fredfmt
data = fredfmt.load({digits!r})
fredfmt.save(data, {str(tmp_path / "x.fred.h5")!r})
assert fredfmt.load({str(tmp_path / "x.fred.h5")!r}) == data
assert fredfmt.validate({digits!r}).valid
fredfmt.ledger(data), fredfmt.digest(data)
fredfmt.encode(np.random.rand(9, 1, 5, 7).astype("f4"), np.arange(9) % 3, k=4)
try:
    fredfmt.decode
except ImportError as error:
    assert "torch" in str(error)
else:
    raise AssertionError("decode needs torch")
"""
    assert "torchvision" in modules_after(code)


def test_a_command_that_needs_what_is_not_installed_says_so_in_a_line(digits, tmp_path):
    for name, package, words in (
        ("torch", "torch", ["evaluate", digits, "--on", "digits"]),
        ("PIL", "pillow", ["preview", digits, str(tmp_path / "x.png")]),
    ):
        code = f"import sys; sys.modules[{name!r}] = None\n{command(*words)}"
        run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        lines = run.stderr.splitlines()
        assert run.returncode == 1
        assert f"fredfmt: this needs {package}, which is not installed: pip install {package}" in lines[0]


def test_only_the_package_is_installed_at_the_top():
    run = subprocess.run([sys.executable, "-c", "import distill"], check=False, capture_output=True, text=True, cwd="/")
    assert "No module named 'distill'" in run.stderr
    run = subprocess.run([sys.executable, "-c", "import cli"], check=False, capture_output=True, text=True, cwd="/")
    assert "No module named 'cli'" in run.stderr
