"""Cards: what other programs read of them (PyYAML, mlcroissant), and what becomes of the words of strangers."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from fredfmt import ArgumentError, digest, encode, load, save
from fredfmt.cli.app import app
from fredfmt.exchange.card import card
from fredfmt.exchange.card.text import markdown
from fredfmt.exchange.card.text import yaml as written
from fredfmt.model.parts import Whitening
from fredfmt.storage.containers.package import with_metadata

ADDRESS = "hf://datasets/team/tiny@v1/x.fred"
SAID = {"address": ADDRESS, "creators": ["Doe, Jane", "The Lab"], "version": "1.2.0", "date": "2026-11-23"}
HOSTILE = (
    "<script>alert(1)</script>",
    "a | b\n# heading\n---\nlicense: mit",
    '![x](http://evil/x.png) "quoted\\" `code` @everyone www.evil.com',
    "\u202egnp.exe \x7f\x85 \ufeff \U0001f600 é",
    "- item: [1, {a: b}] &anchor *alias !!python/object:os.system",
)


def make(classes=("cat", "dog", "eel"), **metadata):
    images = np.random.default_rng(4).random((9, 1, 13, 17), np.float32)
    data = encode(images, np.arange(9) % len(classes), k=11, step=0.5, classes=classes)
    return with_metadata(data, **metadata)


@pytest.fixture
def rich(tmp_path):
    """A file that says all there is to say."""
    result = {"protocol": "steps", "steps": 300, "batch": 64, "lr": 0.05, "accuracy": 0.7816, "std": 0.0021, "seeds": 3}
    data = make(
        license="CC-BY-4.0",
        citation="A. Author: Things. 1998.",
        source={"name": "things", "url": "https://example.org/things"},
        distillation={"objective": "dm", "seed": 0},
        recipe={"lr": 0.01},
        results=[
            {**result, "network": {"name": "convnet", "width": 32}, "test": "things test", "images": 500},
            {**result, "protocol": "paper", "epochs": 1000, "network": "convnet"},
        ],
    )
    save(data, tmp_path / "x.fred")
    return tmp_path / "x.fred"


def front_matter(text):
    return yaml.safe_load(text.split("---\n")[1])


def croissant(path, caplog):
    """The document as mlcroissant reads it, and what it finds wrong."""
    import mlcroissant

    with caplog.at_level(logging.ERROR, "absl"):
        issues = mlcroissant.Dataset(str(path)).metadata.ctx.issues
    return json.loads(path.read_text()), issues


def check_citation(found):
    """The rules of the Citation File Format 1.2.0 for what we write."""
    assert found["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(found)
    assert found["type"] == "dataset"
    assert set(found) <= {
        "abstract", "authors", "cff-version", "date-released", "identifiers", "keywords", "license", "message", "title",
        "type", "url", "version",
    }  # fmt: skip
    assert found["authors"]
    for author in found["authors"]:
        assert set(author) in ({"family-names", "given-names"}, {"name"})
    assert all(
        set(part) == {"type", "value", "description"} and part["type"] == "other" for part in found["identifiers"]
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(found.get("date-released", "2000-01-01")))
    assert len(set(found["keywords"])) == len(found["keywords"]) > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.needs("mlcroissant")
def test_a_whole_card(rich, tmp_path, caplog):
    made = card(rich, tmp_path / "card", **SAID)
    assert [path.name for path in made.files] == [
        "README.md",
        "croissant.json",
        "CITATION.cff",
        "preview.png",
        "x.fred",
    ]
    assert made.left_out == ()
    assert load(tmp_path / "card" / "x.fred") == load(rich)
    text = (tmp_path / "card" / "README.md").read_text()
    found = front_matter(text)
    assert (found["license"], found["viewer"], found["size_categories"]) == ("cc-by-4.0", False, ["n<1K"])
    assert "dataset-distillation" in found["tags"]
    assert found["configs"][0]["data_files"] == [{"split": "train", "path": "x.fred"}]
    assert "| convnet width=32 | 300 steps, batch 64, lr 0.05 | things test (500 images) | 78.16 | 0.21 | 3 |" in text
    assert "| convnet | paper, 1000 epochs, batch 64, lr 0.05 |" in text
    assert digest(rich) in text
    assert "A. Author: Things. 1998." in text
    document, issues = croissant(tmp_path / "card" / "croissant.json", caplog)
    assert (issues.errors, issues.warnings) == (set(), set())
    (part,) = document["distribution"]
    assert part["contentUrl"] == "https://huggingface.co/datasets/team/tiny/resolve/v1/x.fred"
    assert part["contentSize"] == f"{rich.stat().st_size} B"
    found = yaml.safe_load((tmp_path / "card" / "CITATION.cff").read_text())
    check_citation(found)
    assert found["license"] == "CC-BY-4.0"
    assert found["authors"] == [{"family-names": "Doe", "given-names": "Jane"}, {"name": "The Lab"}]
    assert (tmp_path / "card" / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_the_lines_to_load_it_are_python(rich, tmp_path):
    card(rich, tmp_path / "card")
    code = re.search(r"```python\n(.*?)```", (tmp_path / "card" / "README.md").read_text(), re.DOTALL)[1]
    compile(code, "card", "exec")
    assert len(code.splitlines()) == 3
    assert f"FreDLoader('x.fred', shuffle=True, expected_digest='{digest(rich)}')" in code


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.needs("mlcroissant")
def test_nothing_is_made_up(tmp_path, caplog):
    save(make(), tmp_path / "x.fred")
    made = card(tmp_path / "x.fred", tmp_path / "card")
    assert [text.split()[0].rstrip(":,") for text in made.left_out] == [
        "license", "creators", "address", "date", "version", "source", "results"
    ]  # fmt: skip
    assert not (tmp_path / "card" / "CITATION.cff").exists()
    found = front_matter((tmp_path / "card" / "README.md").read_text())
    assert "license" not in found
    assert "dataset-distillation" not in found["tags"]
    document, issues = croissant(tmp_path / "card" / "croissant.json", caplog)
    assert issues.errors == set()
    assert not {"license", "creator", "url", "version", "datePublished", "citeAs"} & set(document)
    assert document["distribution"][0]["contentUrl"] == "x.fred"


@pytest.mark.parametrize(
    ("license", "hub", "cff"),
    [("MIT", {"license": "mit"}, "MIT"), ("My Own", {"license": "other", "license_name": "My Own"}, None)],
)
def test_licences(tmp_path, license, hub, cff):
    save(make(), tmp_path / "x.fred")
    card(tmp_path / "x.fred", tmp_path / "card", license=license, creators=["Doe, J"])
    found = front_matter((tmp_path / "card" / "README.md").read_text())
    assert {key: value for key, value in found.items() if key.startswith("license")} == hub
    assert yaml.safe_load((tmp_path / "card" / "CITATION.cff").read_text()).get("license") == cff


@pytest.mark.parametrize("hostile", HOSTILE)
def test_words_of_strangers_stay_words(tmp_path, caplog, hostile):
    data = make(("a", hostile, "c"), source={"name": hostile, hostile: hostile}, license=hostile, citation=hostile)
    save(data, tmp_path / "x.fred")
    card(tmp_path / "x.fred", tmp_path / "card", **{**SAID, "creators": [hostile, f"{hostile}, b"], "title": hostile})
    text = (tmp_path / "card" / "README.md").read_text()
    found = front_matter(text)
    assert (found["pretty_name"], found["license"], found["license_name"]) == (hostile, "other", hostile)
    body = text.split("---\n", 2)[2]
    assert "<script" not in body.replace("\\<", "")
    for row in re.findall(r"^\|.*$", body, re.MULTILINE):
        assert len(re.findall(r"(?<!\\)\|", row)) == 3
    headings = re.findall(r"^#+ .*$", body, re.MULTILINE)
    assert headings[0] == f"# {markdown(hostile)}"
    assert set(headings[1:]) == {"## Load", "## Data", "## Source"}
    assert re.findall(r"(?<!\\)!\[.*?\]\(.*?\)", body) == ["![Instances of each class, its mask first](preview.png)"]
    body = re.sub(r"```python.*?```", "", body, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)@|www\.|http:/[^/]*/evil", body)
    citation = yaml.safe_load((tmp_path / "card" / "CITATION.cff").read_text())
    check_citation(citation)
    assert citation["title"] == hostile
    assert json.loads((tmp_path / "card" / "croissant.json").read_text())["name"] == hostile


@pytest.mark.parametrize("text", [*HOSTILE, "", "yes", "1e3", "null", "~", "\x00\t\n\r", "\u2028", "' : #"])
def test_yaml_reads_back(text):
    document = {"a": text, "b": [text, {"c": text, "d": [1, True, 2.5]}], "e": {"f": text}}
    assert yaml.safe_load(written(document)) == document


def test_what_a_publisher_cannot_say(rich, tmp_path):
    for wrong in (
        {"license": "MIT"}, {"version": "1"}, {"date": "23.11.2026"}, {"date": "20261123"}, {"address": "x.fred"},
        {"creators": [" , "]},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            card(rich, tmp_path / "card", **wrong)
    assert not (tmp_path / "card").exists()


def test_what_is_there_stays(rich, tmp_path):
    card(rich, tmp_path / "card")
    (tmp_path / "card" / "README.md").write_text("mine")
    with pytest.raises(ArgumentError, match="exists already"):
        card(rich, tmp_path / "card")
    assert (tmp_path / "card" / "README.md").read_text() == "mine"
    card(rich, tmp_path / "card", replace=True)
    (tmp_path / "card" / "x.fred").write_bytes(b"other")
    with pytest.raises(ArgumentError, match="another file"):
        card(rich, tmp_path / "card", replace=True)


def test_signals_are_drawn_and_not_called_images(tmp_path):
    signals = np.random.default_rng(4).random((9, 1, 19), np.float32)
    save(encode(signals, np.arange(9) % 3, k=4, step=0.5), tmp_path / "x.fred")
    made = card(tmp_path / "x.fred", tmp_path / "card")
    assert "preview.png" in {path.name for path in made.files}
    assert "task_categories" not in front_matter((tmp_path / "card" / "README.md").read_text())


def test_whitened_images_have_no_picture(tmp_path):
    images = np.random.default_rng(4).random((9, 1, 5, 7), np.float32)
    whitening = Whitening("zca", 0.1)
    save(encode(images, np.arange(9) % 3, k=4, step=0.5, whitening=whitening), tmp_path / "x.fred")
    made = card(tmp_path / "x.fred", tmp_path / "card")
    assert "preview.png" not in {path.name for path in made.files}
    assert made.left_out[-1].startswith("preview.png")
    assert "preview.png" not in (tmp_path / "card" / "README.md").read_text()


def test_the_command(rich, tmp_path):
    result = CliRunner().invoke(app, ["card", str(rich), str(tmp_path / "card"), "--creator", "Doe, Jane"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "CITATION.cff" in result.stderr
    assert "missing: address" in result.stderr


def test_the_card_of_a_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        card(Path(tmp_path), tmp_path / "card")
