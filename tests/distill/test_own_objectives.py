"""Objectives that are added: a file and a line in fredfmt, an entry point of a package, a class on the command line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fredfmt import ArgumentError, digest, load
from fredfmt.distill import DistillConfig, distill
from fredfmt.distill.config import run_of
from fredfmt.distill.objectives import DM, OBJECTIVES

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "golden"
OBJECTIVE = '''
"""Distribution matching with a weight."""

from dataclasses import dataclass

from fredfmt.distill.objectives.dm import DM
from fredfmt.distill.objectives.objective import RealBatchSettings
from fredfmt.distill.settings import setting


@dataclass(frozen=True)
class WeightedSettings(RealBatchSettings):
    sharpness: float = setting(2.0, "Weight of the loss.", above=0)


class Weighted(DM):
    title = "weighted distribution matching"
    Settings = WeightedSettings

    def __init__(self, config):
        super().__init__(config)
        self.sharpness = config.objective_settings.sharpness

    def losses(self, iteration):
        for loss in super().losses(iteration):
            yield self.sharpness * loss
'''
SHORT = ("--iterations", "1", "--k", "16", "--classes", "0,1", "--batch-real", "3", "--width", "4", "--depth", "2")


def fredfmt(*words, path, status=0, folder=None):
    """What the command printed, with ``path`` to import from first."""
    environment = {**os.environ, "PYTHONPATH": str(path), "COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}
    run = subprocess.run(
        [sys.executable, "-m", "fredfmt", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder or path,
    )
    assert run.returncode == status, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.slow
def test_a_new_objective_is_one_file_and_one_line(tmp_path):
    for folder, package in (("fredfmt", "fredfmt"), ("distill", "fredfmt/distill"), ("cli", "fredfmt/cli")):
        shutil.copytree(ROOT / folder, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    (tmp_path / "fredfmt/distill/objectives/weighted.py").write_text(OBJECTIVE)
    registry = tmp_path / "fredfmt/distill/objectives/__init__.py"
    last = '        "tm": "fredfmt.distill.objectives.tm:TM",\n'
    line = '        "weighted": "fredfmt.distill.objectives.weighted:Weighted",\n'
    registry.write_text(registry.read_text().replace(last, last + line))
    code = "import sys; sys.path[:] = [p for p in sys.path if 'editable' not in p]; sys.meta_path[:] = [f for f in"
    code += " sys.meta_path if 'Editable' not in getattr(f, '__name__', '')]; from fredfmt.cli import main; main()"

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}
        command = [sys.executable, "-c", code, *map(str, words)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path)
        return done.stdout

    text = run("distill", "--help")
    panel = text.split("Objective weighted")[1].split("╰")[0]
    assert "--sharpness" in panel
    assert "Weight of the loss." in panel
    assert "[default: 2.0]" in panel
    assert "weighted: weighted distribution matching" in " ".join(text.replace("│", " ").split())
    run("distill", "digits", "x.fred", "--objective", "weighted", "--sharpness", 3, *SHORT)
    found = load(tmp_path / "x.fred").metadata.distillation["objective"]
    assert found == {"name": "weighted", "configuration": {"sharpness": 3.0, "batch_real": 3}}


@pytest.mark.slow
def test_a_package_adds_an_objective_by_an_entry_point(tmp_path):
    source, site = tmp_path / "package", tmp_path / "site"
    source.mkdir()
    (source / "weighing.py").write_text(OBJECTIVE)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "weighing"\nversion = "1"\n[tool.setuptools]\npy-modules = ["weighing"]\n'
        '[project.entry-points."fredfmt.objectives"]\n'
        'weighed = "weighing:Weighted"\nbroken = "weighing:Missing"\ndm = "weighing:Weighted"\n'
    )
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, capture_output=True)
    text = fredfmt("distill", "--help", path=site)
    assert "--sharpness" in text.split("Objective weighed")[1].split("╰")[0]
    words = ("distill", "digits", "x.fred", "--objective", "weighed", "--sharpness", 3, *SHORT)
    fredfmt(*words, path=site)
    found = load(site / "x.fred")
    assert found.metadata.distillation["objective"]["name"] == "weighed"
    fredfmt("distill", "--from", "x.fred", "again.fred", path=site)
    assert digest(site / "again.fred") == digest(site / "x.fred")
    told = fredfmt("distill", "digits", "y.fred", "--objective", "broken", *SHORT, path=site, status=1)
    assert "an installed objective cannot be imported" in told
    assert DM is OBJECTIVES["dm"]
    elsewhere = tmp_path / "elsewhere"  # where the package is not installed
    elsewhere.mkdir()
    told = fredfmt("distill", "--from", site / "x.fred", "z.fred", path=elsewhere, status=1)
    assert "weighed: a custom objective" in told
    assert "Install the package that adds it" in told


@pytest.mark.slow
def test_a_class_of_ones_own_on_the_command_line(tmp_path):
    (tmp_path / "mine.py").write_text(OBJECTIVE)
    fredfmt("distill", "digits", "x.fred", "--objective", "mine:Weighted", *SHORT, path=tmp_path)
    assert load(tmp_path / "x.fred").metadata.distillation["objective"]["name"] == "mine:Weighted"
    told = fredfmt("distill", "--from", "x.fred", "y.fred", path=tmp_path, status=1)
    assert "mine:Weighted: a custom objective" in told
    assert "--objective package.module:Class" in told
    assert not (tmp_path / "y.fred").exists()
    fredfmt("distill", "--from", "x.fred", "y.fred", "--objective", "mine:Weighted", path=tmp_path)
    assert digest(tmp_path / "y.fred") == digest(tmp_path / "x.fred")
    told = fredfmt("distill", "digits", "z.fred", "--objective", "mine:Nobody", *SHORT, path=tmp_path, status=1)
    assert "no such objective" in told


class Own(DM):
    """Somebody's own objective."""


def test_an_own_objective_is_never_recorded_by_another_name(patches):
    config = DistillConfig(k=20, ipc=0.3, iterations=1, batch_real=5)
    data = distill(patches, config, objective=Own)
    assert data.metadata.distillation["objective"] == {
        "name": f"{__name__}:Own",
        "configuration": {"batch_real": 5, "batch_classes": 20},
    }
    settings, _, _ = run_of(data.metadata)
    with pytest.raises(ArgumentError, match="custom objective"):
        distill(patches, settings)
    assert distill(patches, settings, objective=Own) == data
    assert distill(patches, config.replace(objective=Own)) == data


@pytest.mark.parametrize("name", ["dm", "frepo"])
def test_files_of_0_1_are_read_and_their_runs_repeated(name, digits):
    """Their documents are flat; the command ran as the name of the file says, and three classes of digits."""
    data = load(GOLDEN / f"{name}-0.1.fred")
    config, source, classes = run_of(data.metadata)
    assert (source, classes) == ("digits", ("3", "1", "7"))
    common = {"k": 24, "batch_real": 6, "width": 6, "depth": 2}
    every = {"batch_classes": 0, "teacher_labels": "originals", "channel_transform": "none"}
    expected = {
        "dm": DistillConfig(
            objective="dm", iterations=4, step=0.25, seed=5, augmentation="color_crop", **common, **every
        ),
        "frepo": DistillConfig(iterations=3, learn_labels=True, pool=2, batch_syn=0, **common, **every),
    }
    assert config == expected[name]
    again = distill(digits.of_classes(classes), config)
    assert np.array_equal(again.frequencies, data.frequencies)
    assert np.abs(again.coefficients.astype(int) - data.coefficients).max() <= 1  # rounding on other processors
    assert np.mean(again.coefficients == data.coefficients) > 0.98
    np.testing.assert_allclose(again.labels, data.labels, atol=1 / 16)


def test_objectives_may_share_a_name_for_settings_that_differ(monkeypatch):
    from fredfmt.distill.objectives.registry import common_option
    from fredfmt.distill.settings import Option

    number = Option("pool", int, default=8, help="Networks.", least=1, flag="--pool")
    assert common_option([number, number]) == number
    loose = common_option([number, Option("pool", int, default=9, help="Images.", flag="--pool")])
    assert (loose.kind, loose.default, loose.least, loose.help) == (int, None, None, "Networks. Images.")
    text = common_option([number, Option("pool", float, default=0.5, help="Share.", flag="--pool")])
    assert (text.kind, text.default) == (str, None)
