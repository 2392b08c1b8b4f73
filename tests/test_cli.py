"""The command as a user meets it: output, exit status, errors in one line, files that are not lost."""

import base64
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from inspect import signature

import numpy as np
import pytest
from needed import compiled_loops
from PIL import Image
from typer.testing import CliRunner

from fredfmt import decode, digest, encode, load, save
from fredfmt.cli.app import app
from fredfmt.cli.commands import COMMANDS
from fredfmt.cli.examples import EXAMPLES
from fredfmt.data.sources import open_source
from fredfmt.view.preview import preview

runner = CliRunner()


@pytest.fixture
def file(tmp_path):
    """Thirty real digits, three a class, in a file."""
    source = open_source("digits").sample(3, seed=0)
    path = tmp_path / "digits.fred"
    data = encode(
        source.normalized,
        source.labels,
        k=20,
        mask="amplitude",
        normalization=source.normalization,
        classes=source.classes,
        source=source.provenance(),
    )
    save(data, path)
    return path


def run(*words, status=0):
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def test_help_names_every_command():
    text = run("--help").stdout
    assert all(name in text for name in COMMANDS)
    for name in COMMANDS:
        assert "Usage" in run(name, "--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_words_in_brackets(name):
    """Rich reads help texts as markup, in which such words are names of styles."""
    command = COMMANDS[name].load()
    declared = [
        one.annotation.__metadata__[0]
        for one in signature(command, eval_str=True).parameters.values()
        if hasattr(one.annotation, "__metadata__")
    ]
    texts = [command.__doc__, *(line for line, _ in EXAMPLES[name])]
    texts += [text for one in declared for text in (one.help, one.metavar) if text]
    shown = runner.invoke(app, [name, "--help"], env={"COLUMNS": "300"}).stdout
    missing = [word for text in texts for word in re.findall(r"\[[^][]*\]", text) if word not in shown]
    assert not missing
    assert name != "push" or "NAME[@BRANCH]/[FILE]" in shown


def test_usage_shows_optional_arguments_in_brackets():
    usage = {}
    for name in COMMANDS:
        (line,) = (line for line in run(name, "--help").stdout.splitlines() if "Usage:" in line)
        usage[name] = line.partition(f" {name} ")[2].strip()
    assert usage["distill"] == "[OPTIONS] [SOURCE] [OUT]"
    assert usage["pull"] == "[OPTIONS] ADDRESS [OUT]"
    assert usage["curve"] == "[OPTIONS] FILE... OUT.png"
    assert not [name for name, line in usage.items() if "None" in line or "{" in line]


def test_evaluate_shows_the_name_of_a_source_in_brackets(tmp_path, file):
    folder, coded = tmp_path / "[red]", tmp_path / "coded.fred"
    run("export", file, folder)
    run("encode", f"folder:{folder}", coded, "--k", 9)
    short = ("--steps", 1, "--seeds", 1, "--width", 1, "--baselines", "none")
    text = run("evaluate", coded, "--on", f"folder:{folder}", *short).stdout
    assert "test images of folder:[red]" in " ".join(text.split())


def test_inspect_shows_the_same_as_the_library(file):
    facts = json.loads(run("inspect", file, "--json").stdout)
    assert facts["digest"] == digest(file)
    assert facts["bytes"]["total"] == file.stat().st_size
    assert facts["data"]["k"] == 20
    assert facts["metadata"]["source"]["name"] == "digits"
    text = run("inspect", file).stdout
    assert digest(file)[:20] in text.replace("\n", "")


def hostile(path):
    """Digits in a file whose words are rich's markup, terminal control, and letters from right to left."""
    names = ("[/b]a", "\x1b[31mred\x07", "\u202eturned", "日本語" * 9, *"456789")
    source = open_source("digits").sample(3, seed=0)
    words = {"name": "[/nope] \x1b]0;owned\x07", "[bold]x": "[link=x]y"}
    data = encode(source.normalized, source.labels, k=9, mask="low", classes=names, source=words, license="[/]\x9b2J")
    save(data, path)
    return path


def test_words_of_a_file_are_neither_markup_nor_terminal_control(file, tmp_path):
    other = hostile(tmp_path / "[bold]x.fred")
    told = [
        run("inspect", other).stdout,
        run("inspect", other, "--metadata").stdout,
        run("diff", other, file, status=1).stdout,
        run("validate", other).stdout,
    ]
    assert not any(letter in text for text in told for letter in "\x1b\x07\x9b\u202e")
    for text in told[:3]:
        words = "".join(text.split())
        assert all(part in words for part in ("[/nope]\\x1b]0;owned\\x07", "[bold]x", "[/b]a", "\\u202eturned"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_of_another_encoding_gets_escapes(tmp_path, encoding):
    path = hostile(tmp_path / "x.fred")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    for options in ([], ["--json"]):
        command = [sys.executable, "-m", "fredfmt", "inspect", str(path), *options]
        answer = subprocess.run(command, capture_output=True, env=environment, check=True)
        assert b"\\u65e5\\u672c" in answer.stdout
    assert json.loads(answer.stdout)["metadata"]["classes"][3] == "日本語" * 9


def test_a_single_class_has_no_variance_between_classes_to_lose(tmp_path):
    source = open_source("digits").of_classes((3,)).sample(5)
    save(encode(source.normalized, source.labels, k=9, mask="amplitude"), tmp_path / "x.fred")
    assert json.loads(run("inspect", tmp_path / "x.fred", "--json").stdout)["warnings"] == []


@pytest.mark.parametrize(
    ("term", "more", "shown"),
    [("xterm-256color", {}, True), ("dumb", {}, False), ("xterm-256color", {"NO_COLOR": "1"}, False)],
)
def test_inspect_draws_thumbnails_in_a_terminal_only(file, term, more, shown):
    """In a terminal, without torch; never into a pipe or a file."""
    master, slave = pty.openpty()
    code = """import sys
from fredfmt.cli import main
sys.argv[0] = "fredfmt"
try:
    main()
finally:
    print("torch" in sys.modules, file=sys.stderr)"""
    command = [sys.executable, "-c", code, "inspect", str(file)]
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")}
    environment = kept | {"TERM": term, "COLUMNS": "80"} | more
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.PIPE, text=True, env=environment) as process:
        os.close(slave)
        found = b""
        with contextlib.suppress(OSError):
            while part := os.read(master, 65536):
                found += part
        assert process.stderr.read() == "False\n"
    os.close(master)
    assert ("▀" in found.decode()) == shown
    assert "coefficients" in found.decode()
    assert "▀" not in run("inspect", file).stdout


def test_preview_draws_every_kind(file, tmp_path):
    for kind in ("masks", "energy", "spectra", "k"):
        run("preview", file, tmp_path / f"{kind}.png", "--kind", kind)
        with Image.open(tmp_path / f"{kind}.png") as picture:
            assert min(picture.size) > 200
    run("preview", file, tmp_path / "x.png", "--kind", "poster", status=2)


def test_report_carries_the_file(file, tmp_path):
    run("report", file, tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert base64.b64encode(file.read_bytes()).decode() in page
    assert "exists already" in str(run("report", file, tmp_path / "x.html", status=1).exception)
    run("convert", file, tmp_path / "x.fred.zarr")
    run("report", tmp_path / "x.fred.zarr", tmp_path / "x.html", "--force")
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == page.replace("digits.fred", "x.fred")


def test_validate_tells_by_its_exit_status(file, tmp_path):
    assert "valid" in run("validate", file).stdout
    damaged = tmp_path / "damaged.fred"
    content = bytearray(file.read_bytes())
    content[-400] ^= 1
    damaged.write_bytes(content)
    reports = json.loads(run("validate", file, damaged, "--json", status=1).stdout)
    assert [report["valid"] for report in reports] == [True, False]
    assert reports[1]["findings"][0]["where"].startswith(str(damaged))
    run("validate", tmp_path / "none.fred", status=3)


def test_convert_keeps_the_digest_and_existing_files(file, tmp_path):
    out = tmp_path / "x.fred.h5"
    run("convert", file, out)
    assert digest(out) == digest(file)
    assert "exists already" in str(runner.invoke(app, ["convert", str(file), str(out)]).exception)
    run("convert", file, out, "--force")


@pytest.mark.parametrize("name", ["export", "decode"])
def test_export_to_npz(file, tmp_path, name):
    run(name, file, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], decode(load(file), normalized=False))
        np.testing.assert_array_equal(arrays["labels"], load(file).labels)
        assert arrays["class_names"].tolist() == list(load(file).metadata.classes)


def test_export_to_png_reads_back_as_a_source(file, tmp_path):
    run("export", file, tmp_path / "images")
    images = decode(load(file), normalized=False).clamp(0, 1)
    found = sorted((tmp_path / "images").rglob("*.png"), key=lambda path: path.name)
    assert len(found) == 30
    for instance, path in enumerate(found):
        pixels = np.asarray(Image.open(path)) / 255
        np.testing.assert_allclose(pixels, images[instance, 0], atol=0.5 / 255 + 1e-6)
    again = open_source(f"folder:{tmp_path / 'images'}")
    assert again.spatial_shape == (8, 8)
    assert "exists already" in str(runner.invoke(app, ["export", str(file), str(tmp_path / "images")]).exception)


def test_preview_draws_every_class(file, tmp_path):
    run("preview", file, tmp_path / "sheet.png", "--instances", 3, "--size", 16)
    drawn = np.asarray(preview(load(file), instances=3, size=16))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), drawn)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20


def test_encode_real_images(tmp_path):
    out = tmp_path / "d.fred"
    run("encode", "digits", out, "--k", 12, "--per-class", 5, "--step", "float16")
    data = load(out)
    assert (len(data), data.k, data.metadata.quantization.mode) == (50, 12, "float16")
    assert data.metadata.classes == open_source("digits").classes
    run("encode", "digits", out, "--k", 12, "--per-class", 5, "--max-bytes", 4200, "--force")
    assert out.stat().st_size <= 4200


def test_bench_reports_rates(file):
    rates = json.loads(run("bench", file, "--batch-size", 32, "--json").stdout)
    assert rates["decode"] > 0
    assert rates["times_dense"] == pytest.approx(rates["decode"] / rates["dense"])


@compiled_loops
def test_distill_then_evaluate(tmp_path):
    out = tmp_path / "d.fred"
    run("distill", "digits", out, "--k", 32, "--iterations", 3, "--batch-real", 4, "--width", 8)
    data = load(out)
    assert len(data) == 20
    assert data.metadata.distillation["optimization"]["iterations"] == 3
    assert not list(tmp_path.glob("*.checkpoint"))
    rows = json.loads(run("evaluate", out, "--on", "digits", "--steps", 3, "--seeds", 2, "--width", 8, "--json").stdout)
    assert [row["name"] for row in rows] == ["file", "own start", "coded images"]
    assert rows[2]["bytes"] <= rows[0]["bytes"]
    assert len(rows[0]["result"]["accuracies"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inspect", "none.fred"], "none.fred: no such file"),
        (["encode", "nothing", "x.fred", "--k", "3"], "nothing"),
        (["encode", "digits", "x.fred", "--k", "99"], "1 to 64"),
        (["encode", "digits", "x.fred", "--k", "9", "--step", "big"], "unusable --step"),
        (["encode", "digits", "x.zip", "--k", "9"], "unknown suffix"),
        (["distill", "digits", "x.fred", "--k", "32", "--lr", "-1"], "lr"),
        (["distill", "digits", "x.zip", "--iterations", "1"], "unknown suffix"),
        (["distill", "digits", "none/x.fred", "--iterations", "1"], "none: no such folder"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(tmp_path, words, message):
    result = subprocess.run(
        [sys.executable, "-m", "fredfmt", *words], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_tested_on_other_images(file, tmp_path):
    images = np.zeros((20, 1, 8, 9), np.float32)
    np.savez(tmp_path / "wide.npz", images=images, labels=np.arange(20) % 10)
    result = run("evaluate", file, "--on", f"npz:{tmp_path / 'wide.npz'}", "--steps", 1, status=1)
    assert "differ in their spatial shape" in str(result.exception)


def test_usage_errors_exit_2(tmp_path):
    run("inspect", status=2)
    run("encode", "digits", tmp_path / "x.fred", status=2)
    run("nonsense", status=2)


def test_inspect_warns_of_masks_that_cannot_tell_classes_apart(tmp_path):
    """Classes differ by a fine pattern that is the same in all their images, which explained variance leaves out."""
    chance, labels = np.random.default_rng(0), np.arange(60) % 3
    images = chance.normal(0, 1, (60, 1, 8, 9)).cumsum(2).cumsum(3) / 30
    images = images + np.array([-1, 0, 1])[labels][:, None, None, None] * (np.indices((8, 9)).sum(0) % 2 - 0.5)
    for mask, warned in (("evr", True), ("fisher", False)):
        path = tmp_path / f"{mask}.fred"
        save(encode(images.astype(np.float32), labels, k=9, mask=mask), path)
        facts = json.loads(run("inspect", path, "--json").stdout)
        assert bool(facts["warnings"]) == warned
        assert ("variance between classes" in run("inspect", path).stdout) == warned


def test_a_run_is_repeated_from_its_file_or_its_settings(tmp_path):
    first, again, third, toml = (tmp_path / name for name in ("a.fred", "b.fred", "c.fred", "run.toml"))
    short = ("--k", 32, "--iterations", 3, "--batch-real", 4, "--width", 8, "--step", 0.5, "--seed", 5)
    run("distill", "digits", first, *short, "--save-config", toml)
    run("distill", "--from", first, again)
    assert again.read_bytes() == first.read_bytes()
    run("distill", "digits", third, "--config", toml, "--iterations", 4)
    assert digest(third) != digest(first)
    settings = [dict(load(path).metadata.distillation) for path in (first, third)]
    assert settings[1] == settings[0] | {"optimization": {"iterations": 4}}


def test_a_run_is_not_repeated_with_other_images_of_the_same_name(tmp_path, monkeypatch):
    for place, seed in (("here", 0), ("there", 1)):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 8, 8, 1), np.uint8)
        (tmp_path / place).mkdir()
        np.savez(tmp_path / place / "pets.npz", x_train=pixels, y_train=np.arange(40) % 2)
    short = ("--k", 16, "--iterations", 0)
    monkeypatch.chdir(tmp_path / "here")
    run("distill", "npz:pets.npz", "first.fred", *short)
    run("distill", "--from", "first.fred", "again.fred")
    monkeypatch.chdir(tmp_path / "there")
    first = tmp_path / "here" / "first.fred"
    refused = run("distill", "--from", first, "again.fred", status=1)
    assert "npz:pets.npz has other images here" in str(refused.exception)
    assert not (tmp_path / "there" / "again.fred").exists()
    run("distill", "--from", first, "npz:pets.npz", "again.fred")


def test_a_file_that_was_not_distilled_has_no_run_to_repeat(tmp_path, file):
    assert "no run to repeat" in str(run("distill", "--from", file, tmp_path / "x.fred", status=1).exception)
    assert "OUT is missing" in run("distill", "digits", status=2).output
    assert "SOURCE and OUT are missing" in run("distill", status=2).output
    assert "OUT is missing" in run("distill", "--from", file, status=2).output


@compiled_loops
@pytest.mark.usefixtures("hasty")
def test_plan_and_budgets_in_bytes_and_bits(tmp_path):
    (choice,) = json.loads(run("plan", "digits", "--bytes", 3000, "--k", 32, "--step", 0.5, "--json").stdout)
    assert choice["bytes"] <= 3000
    assert "instances per class" in run("plan", "digits", "--ipc", 1, "--k", 32).stdout
    settings = ("--k", 32, "--iterations", 2, "--batch-real", 4, "--width", 8, "--labels", "hard")
    for number, budget in enumerate((("--bytes", 3000), ("--bits-per-class", 2400))):
        out = tmp_path / f"{number}.fred"
        run("distill", "digits", out, *settings, *budget)
        assert 2970 <= out.stat().st_size <= 3000


def test_evaluate_across_architectures(file):
    results = run(
        "evaluate", file, "--on", "digits", "--steps", 5, "--width", 8, "--seeds", 1, "--json",
        "--network", "convnet", "--network", "alexnet",
    )  # fmt: skip
    rows = json.loads(results.stdout)
    assert [row["result"]["network"]["name"] for row in rows] == ["convnet"] * 3 + ["alexnet"] * 3


@compiled_loops
def test_results_are_recorded_under_the_same_digest(file):
    before = digest(file)
    run(
        "evaluate", file, "--on", "digits", "--protocol", "paper", "--epochs", 2, "--width", 8, "--seeds", 2, "--record"
    )
    assert digest(file) == before
    (result,) = load(file).metadata.results
    assert (result["protocol"], result["epochs"], result["batch"], len(result["accuracies"])) == ("paper", 2, 256, 2)


@compiled_loops
def test_corruptions_and_baselines(file):
    before = digest(file)
    quick = ("evaluate", file, "--on", "digits", "--steps", 4, "--width", 8, "--seeds", 2)
    options = ("--corruptions", "fog, jpeg", "--severities", "2,4", "--baselines", "equal-instances,coded")
    rows = json.loads(run(*quick, *options, "--record", "--json").stdout)
    assert [row["name"] for row in rows] == ["file", "equal instances", "coded images"]
    for row in rows:
        found = row["result"]["corruptions"]
        tested = [(one["corruption"], one["severity"]) for one in found["each"]]
        assert tested == [("fog", 2), ("fog", 4), ("jpeg", 2), ("jpeg", 4)]
        assert found["accuracy"] == pytest.approx(sum(one["accuracy"] for one in found["each"]) / 4, abs=1e-5)
    assert digest(file) == before
    (result,) = load(file).metadata.results
    assert result["corruptions"]["each"][3]["accuracies"] == tuple(
        rows[0]["result"]["corruptions"]["each"][3]["accuracies"]
    )
    shown = run(*quick, "--corruptions", "jpeg", "--severities", "5", "--baselines", "none").stdout
    assert "mean corrupted" in shown
    assert "jpeg" in shown
    assert "own start" not in shown
    unknown = (("--corruptions", "snow"), ("--corruptions", "none"), ("--baselines", "luck"))
    for wrong in (*unknown, ("--corruptions", "all", "--severities", "x")):
        assert run(*quick, *wrong, status=1).stdout == ""


def test_some_classes_through_all_commands(tmp_path):
    out, again = tmp_path / "odd.fred", tmp_path / "again.fred"
    options = ("--classes", "1,3,5", "--k", 32)
    run("distill", "digits", out, *options, "--iterations", 2, "--batch-real", 4, "--width", 8)
    assert load(out).metadata.classes == ("1", "3", "5")
    run("distill", "--from", out, again)
    assert again.read_bytes() == out.read_bytes()
    rows = run("evaluate", out, "--on", "digits", "--steps", 3, "--width", 8, "--seeds", 1, "--json").stdout
    assert json.loads(rows)[0]["result"]["images"] == 150
    run("encode", "digits", tmp_path / "coded.fred", *options, "--per-class", 2)
    assert len(load(tmp_path / "coded.fred")) == 6
