"""push and pull, by huggingface_hub's own client against a stub of the Hub's HTTP API."""

import sys

import pytest
from fsspec.registry import _registry
from hub_stub import HEAD, Hub
from small import make
from typer.testing import CliRunner

from fredfmt import ArgumentError, FormatError, IntegrityError, SourceError, digest, load, save
from fredfmt.cli.app import app
from fredfmt.exchange.card import card
from fredfmt.exchange.hub import Place, pull, push

ADDRESS = "hf://datasets/team/tiny/x.fred"


def forget_client(monkeypatch):
    """Let huggingface_hub be imported anew: it reads HF_ENDPOINT when it is imported, and keeps it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(_registry, "hf", raising=False)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    forget_client(monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "hf_stub")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    yield hub
    hub.close()


@pytest.fixture
def file(tmp_path, data):
    save(data, tmp_path / "x.fred")
    return tmp_path / "x.fred"


def test_what_is_pushed_is_read_and_pulled(hub, file, data, tmp_path):
    page = push(file, ADDRESS, create=True)
    assert page.endswith(HEAD)
    assert hub.commits == [(f"x.fred: {digest(data)}", ["x.fred"])]
    for address in (ADDRESS, f"hf://datasets/team/tiny@{HEAD}/x.fred"):
        assert load(address, expected_digest=digest(data)) == data
    assert pull(ADDRESS, tmp_path / "y.fred", expected_digest=digest(data)) == digest(data)
    assert (tmp_path / "y.fred").read_bytes() == file.read_bytes()


def test_a_new_version_on_the_hub_is_seen(hub, file, tmp_path):
    push(file, ADDRESS, create=True)
    load(ADDRESS)
    other = make(seed=6)
    save(other, file)
    push(file, ADDRESS)
    assert load(ADDRESS) == other


def test_a_card_goes_with_it(hub, file, tmp_path):
    card(file, tmp_path / "card", address=ADDRESS, creators=["Doe, Jane"])
    push(file, "hf://datasets/team/tiny/", card=tmp_path / "card", create=True, message="first")
    assert hub.commits == [("first", ["CITATION.cff", "README.md", "croissant.json", "preview.png", "x.fred"])]
    with pytest.raises(FileNotFoundError, match="no card found"):
        push(file, ADDRESS, card=tmp_path)


def test_a_repository_that_is_not_there(hub, file, tmp_path):
    with pytest.raises(SourceError, match="--create"):
        push(file, ADDRESS)
    with pytest.raises(FileNotFoundError):
        pull(ADDRESS, tmp_path / "y.fred")
    assert not (tmp_path / "y.fred").exists()


@pytest.mark.parametrize(("status", "hint"), [(401, "hf auth login"), (403, "write access")])
def test_the_hub_refuses(hub, file, status, hint):
    hub.repositories["team/tiny"] = {}
    hub.status = status
    with pytest.raises(SourceError, match=hint) as caught:
        push(file, ADDRESS)
    assert "\n" not in str(caught.value)
    assert hub.commits == []


def test_a_damaged_file_is_not_pushed(hub, file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError):
        push(file, ADDRESS, create=True)
    assert hub.repositories == {}


def test_pull_verifies_and_replaces_nothing(site, content, data, tmp_path):
    out = tmp_path / "out.fred"
    with pytest.raises(IntegrityError):
        pull(site.put("bad.fred", content, "flip"), out)
    with pytest.raises(IntegrityError, match="not the expected dataset"):
        pull(site.put("x.fred", content), out, expected_digest="sha256:" + "0" * 64)
    assert not out.exists()
    out.write_bytes(b"mine")
    with pytest.raises(ArgumentError, match="exists already"):
        pull(f"{site.address}/x.fred", out)
    assert out.read_bytes() == b"mine"
    pull(f"{site.address}/x.fred", out, replace=True)
    assert out.read_bytes() == content
    pull(f"{site.address}/x.fred?key=1", tmp_path)
    assert (tmp_path / "x.fred").read_bytes() == content
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


@pytest.mark.parametrize("name", ["", "..", "%2e%2e", "a:b.fred", "con.fred", "LPT1", "x%5C..%5Cy.fred", "x. ", "-."])
def test_a_name_from_an_address_is_one_that_any_system_can_have(site, content, tmp_path, name):
    site.put(name, content)
    with pytest.raises(ArgumentError, match="plain file name"):
        pull(f"{site.address}/{name}", tmp_path, replace=True)
    site.put("con-1_a.b.fred", content)
    pull(f"{site.address}/con-1_a.b.fred?x=..", tmp_path)
    assert (tmp_path / "con-1_a.b.fred").read_bytes() == content


def test_addresses_to_push_to():
    assert Place.of("hf://datasets/a/b/", "x.fred") == Place("a/b", None, "x.fred")
    assert Place.of("hf://datasets/a/b@dev/sub/y.fred", "x.fred") == Place("a/b", "dev", "sub/y.fred")
    for wrong in (
        "a/b",
        "hf://a/b/x.fred",
        "hf://datasets/a",
        "https://a/b",
        "hf://datasets/a/b/../x",
        "hf://datasets/a/b//x",
    ):
        with pytest.raises(ArgumentError, match="no address to push to"):
            Place.of(wrong, "x.fred")


def test_without_huggingface_hub_the_extra_is_named(monkeypatch, file):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SourceError, match="pip install huggingface_hub"):
        push(file, ADDRESS)


def test_the_commands(hub, site, file, data, content, tmp_path):
    def run(*words):
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    assert HEAD in run("push", file, ADDRESS, "--create").stdout
    assert run("pull", ADDRESS, tmp_path / "z.fred", "--expected-digest", digest(data)).stdout.strip() == digest(data)
    address = site.put("x.fred", content, "ranges")
    assert '"verified": false' in run("inspect", address, "--metadata", "--json").stdout
    assert "the data were not read" in run("inspect", address, "--metadata").stdout
    assert digest(data) in run("inspect", address, "--expected-digest", digest(data)).stdout
    assert "valid" in run("validate", address, "--expected-digest", digest(data)).stdout
