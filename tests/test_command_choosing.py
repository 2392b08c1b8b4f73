"""What `fredfmt distill --bytes N` alone and `fredfmt plan --effort` choose, say and write."""

import json

import pytest
from typer.testing import CliRunner

from fredfmt import digest, load, open_source
from fredfmt.cli.app import app
from fredfmt.distill import DistillConfig, choose, distill
from fredfmt.model.distillation import by_name

pytestmark = pytest.mark.slow
QUICK = "--effort quick --width 8 --augmentation none --batch-real 4"


def run(line):
    return CliRunner().invoke(app, line.split())


def test_bytes_alone_choose_everything_else(tmp_path):
    out = tmp_path / "digits.fred"
    result = run(f"distill digits {out} --bytes 2600 --iterations 30 {QUICK}")
    assert result.exit_code == 0, result.output
    assert "of held-out images correct" in result.stderr
    assert "30 iterations, about " in result.stderr
    assert 2500 < out.stat().st_size <= 2600
    settings = by_name(load(out).metadata.distillation)
    assert (settings["rate"], settings["mask"]) == ("auto", "low")
    again = tmp_path / "again.fred"
    assert run(f"distill --from {out} {again} --iterations 30").exit_code == 0
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.usefixtures("hasty")
def test_labels_can_be_asked_for(tmp_path):
    out = tmp_path / "digits.fred"
    result = run(f"distill digits {out} --bytes 3000 --labels soft --iterations 5 --teacher-width 8 {QUICK}")
    assert result.exit_code == 0, result.output
    assert load(out).soft
    assert out.stat().st_size <= 3000


@pytest.mark.parametrize("budget", ["--ipc 1 --k 32", "--k 32", "--step 2"])
def test_effort_and_labels_are_for_settings_that_choose_themselves(tmp_path, budget):
    result = run(f"distill digits {tmp_path / 'x.fred'} {budget} --labels hard")
    assert result.exit_code == 1
    assert "automatic choice of settings" in str(result.exception)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("objective", ["dm", "dsa"])
def test_a_given_objective_is_the_one_that_learns(tmp_path, objective):
    out = tmp_path / "x.fred"
    result = run(f"distill digits {out} --bytes 2500 --labels hard --objective {objective} --iterations 4 {QUICK}")
    assert result.exit_code == 0, result.output
    made = by_name(load(out).metadata.distillation)
    assert (made["objective"], made["rate"]) == (objective, "auto")
    assert objective in result.stderr


@pytest.mark.usefixtures("hasty")
def test_plan_says_what_will_be_done_and_why():
    result = run("plan digits --bytes 2600 --k 32 --step 1 --effort quick --json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["choices"][0]["bytes"] <= 2600
    assert any("held-out" in reason for reason in told["reasons"])
    config = DistillConfig.from_json(told["settings"])
    budget = config.budget
    assert (budget.max_bytes, budget.rate, budget.step, config.frequencies.k) == (2600, "auto", 1, 32)
    assert told["settings"]["run"]["held_out"] == config.run.held_out == 0.1  # all settings are there


@pytest.mark.parametrize("more", ["--ipc 1", "--bytes 2600 --k 16 --k 32", "--bytes 2600 --step 1 --step 2"])
def test_plan_chooses_settings_for_bytes_only(more):
    result = run(f"plan digits {more} --effort quick")
    assert "--effort chooses settings for a number of bytes" in str(result.exception)


@pytest.mark.usefixtures("hasty")
def test_a_run_that_was_stopped_goes_on_without_choosing_again(tmp_path):
    given = {"iterations": 8, "network": {"width": 8}, "augmentation": "none", "batch_real": 4}
    source = open_source("digits")
    config = choose(source, 2600, effort="quick", **given).config
    kept, out = tmp_path / "kept", tmp_path / "digits.fred"
    distill(source, config, checkpoint=kept)
    result = run(f"distill digits {out} --bytes 2600 --checkpoint {kept} --iterations 12 {QUICK}")
    assert result.exit_code == 0, result.output
    assert "of held-out images correct" not in result.stderr
    assert digest(load(out)) == digest(distill(source, config.replace(iterations=12)))


@pytest.mark.usefixtures("hasty")
def test_a_checkpoint_of_other_bytes_is_refused(tmp_path):
    given = {"iterations": 2, "network": {"width": 8}, "augmentation": "none", "batch_real": 4, "held_out": 0.0}
    source = open_source("digits")
    config = choose(source, 2600, effort="quick", **given).config
    distill(source, config, checkpoint=tmp_path / "kept")
    result = run(f"distill digits {tmp_path / 'x.fred'} --bytes 2700 --checkpoint {tmp_path / 'kept'} {QUICK}")
    assert result.exit_code == 1
    assert "the checkpoint is from a different run" in str(result.exception)
