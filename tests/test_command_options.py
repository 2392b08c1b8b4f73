"""Options of the commands that run something: they are the settings, and those of 0.1 are all there."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fredfmt import ArgumentError, load
from fredfmt.cli.app import app, load_command
from fredfmt.cli.commands import COMMANDS
from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig
from fredfmt.distill.experts.settings import ExpertConfig
from fredfmt.distill.networks import NetworkConfig
from fredfmt.distill.objectives import OBJECTIVES, settings_class
from fredfmt.distill.settings.groups import GROUPS

WIDE = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1", "TERM": "dumb"}
NETWORK = ["depth", "network", "norm", "pooling", "width"]
OF_0_1 = {
    "distill": (
        "augmentation average base batch-experts batch-real batch-syn bits-per-class bytes checkpoint classes compile"
        " config data-root device expert-epochs experts force from inner-loop ipc iterations k learn-labels log lr"
        " lr-labels lr-lr lr-net lr-syn mask mask-scope max-start-epoch momentum objective optimizer outer-loop pool"
        " pool-age precision quantize-in-loop rate restart save-config seed size step syn-steps tensorboard transform"
        " zca zca-epsilon"
    ),
    "evaluate": (
        "augmentation baselines batch corruptions data-root device epochs expected-digest json lr metric on protocol"
        " record save-network seeds severities size steps"
    ),
    "experts": (
        "augmentation batch classes count data-root device epochs first lr momentum seed size workers zca zca-epsilon"
    ),
}
SETTINGS = {
    "distill": [*GROUPS.values(), NetworkConfig, *(settings_class(found) for found in OBJECTIVES.usable().values())],
    "evaluate": [EvaluationConfig, CorruptionConfig, NetworkConfig],
    "experts": [ExpertConfig, NetworkConfig],
}


def help_of(name):
    return CliRunner().invoke(app, [name, "--help"], env=WIDE).stdout


@pytest.mark.parametrize("name", OF_0_1)
def test_every_option_of_0_1_is_there(name):
    known = {flag for parameter in load_command(name).params for flag in parameter.opts}
    assert {f"--{option}" for option in (*OF_0_1[name].split(), *NETWORK)} <= known


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_an_option_with_its_help(name):
    parameters = {flag: parameter for parameter in load_command(name).params for flag in parameter.opts}
    for kind in SETTINGS[name]:
        for option in kind.options().values():
            if option.group is None and option.flag is not None:
                assert option.help in parameters[option.flag].help, option.name


@pytest.mark.parametrize("name", OF_0_1)
def test_paragraphs_of_a_help_page_are_wrapped_by_the_terminal_alone(name):
    wrapped = set(help_of(name).splitlines())
    for paragraph in (load_command(name).help or "").split("\n\n"):
        assert "\n" not in paragraph
        assert len(paragraph) > int(WIDE["COLUMNS"]) - 2 or f" {paragraph}" in {line.rstrip() for line in wrapped}


def test_options_stand_in_panels():
    text = help_of("distill")
    panels = ["Budget", "Frequencies", "Objective", "Objective dc, dm, dsa, frepo, unroll", "Objective dc, dsa"]
    panels += ["Objective frepo, tm, unroll", "Objective frepo, tm", "Objective frepo, unroll", "Objective tm"]
    panels += ["Objective tm, unroll", "Optimizer", "Network", "Run"]
    places = [text.index(f"─ {panel} ─") for panel in panels]
    assert places == sorted(places)
    assert "--pool-age" in text.split("─ Objective frepo, unroll ─")[1].split("╰")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_flag_is_shown_without_a_value(name):
    text = help_of(name)
    assert "<bool>" not in text
    assert "BOOLEAN" not in text


def test_flags_are_switched_off_where_a_file_has_them_on(tmp_path):
    def run(*words):
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == 0, (result.output, result.exception)

    on, off = tmp_path / "on.fred", tmp_path / "off.fred"
    short = ("--classes", "0,1", "--k", 16, "--iterations", 1, "--batch-real", 3, "--width", 4, "--depth", 2)
    run("distill", "digits", on, *short, "--quantize-in-loop", "--base", "--learn-labels", "--optimizer", "sgd")
    run("distill", "--from", on, off, "--no-quantize-in-loop", "--no-base", "--no-learn-labels")
    before, after = (load(path).metadata.distillation for path in (on, off))
    assert before["budget"] == {"quantize_in_loop": True}
    assert before["objective"]["configuration"]["learn_labels"] is True
    assert "budget" not in after
    assert "learn_labels" not in after["objective"]["configuration"]
    assert after["optimization"] == before["optimization"] == {"iterations": 1, "optimizer": "sgd"}


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--k", "0"], 2, "k"),
        (["--k", "many"], 2, "k"),
        (["--lr", "0"], 1, "optimization.lr: unusable setting; expected a number above 0, found 0.0"),
        (["--step", "coarse"], 1, "unusable --step; expected a number above 0 or float16 or float32, found 'coarse'"),
        (["--objective", "frpo"], 1, "no such objective"),
        (["--objective", "dm", "--pool", "3"], 1, "dm has no setting pool, which is a setting of frepo"),
        (["--bytes", "900", "--bits-per-class", "500"], 1, "two budgets; expected --bytes or --bits-per-class"),
        (["--bytes", "900", "--step", "float32"], 1, "a number, as max_bytes searches the step"),
        (["--network", "convent"], 1, "no such network"),
        (["--augmentation", "jitter"], 1, "no such augmentation"),
    ],
)
def test_unusable_options_are_one_error_before_any_image_is_read(tmp_path, monkeypatch, words, status, message):
    monkeypatch.setattr("fredfmt.cli.commands.distill.open_source", None)
    result = CliRunner().invoke(app, ["distill", "digits", str(tmp_path / "x.fred"), *words], env=WIDE)
    assert result.exit_code == status
    assert message in result.output + str(result.exception)


def test_the_list_of_commands_imports_none_of_them():
    code = "import sys; sys.argv[1:] = ['--help']; import atexit; from fredfmt.cli import main\n"
    code += "atexit.register(lambda: print([m for m in sys.modules if m.startswith('fredfmt.cli.commands.')]))\nmain()"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**os.environ})
    assert run.stdout.strip().endswith("[]")


@pytest.mark.parametrize("value", ["inf", "nan", "1e400", "1e308"])
def test_bits_per_class_of_no_possible_file_are_refused(value):
    done = CliRunner().invoke(app, ["plan", "digits", "--bits-per-class", value], env=WIDE)
    assert isinstance(done.exception, ArgumentError | SystemExit)
    assert done.exit_code != 0


@pytest.mark.parametrize(("text", "found"), [("2", (2,)), ("1, 4", (1, 4))])
def test_a_list_of_integers_is_separated_by_commas(text, found):
    option = CorruptionConfig.options()["severities"]
    assert option.read(text) == found
    with pytest.raises(ArgumentError, match="unusable --severities; expected a list of integers, found '1,x'"):
        option.read("1,x")
