"""Every fenced block of Python and shell in the documentation runs.

A page's Python blocks share one namespace, its shell lines one folder. That folder has in it `examples` and, but for
the pages that begin with nothing, a file `digits.fred` with a result. Numbers of iterations, steps, epochs and seeds
are made tiny, those of evaluations that name none, too, and settings choose themselves in seconds.
`https://example.org/` and the Hub's `OWNER/NAME` are servers of the test's own that have this file, and `sha256:...`
is its digest. A block that needs other data, a network or an installation says so in a comment before it:
``<!-- not run: why -->``.
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_stub import Hub
from typer.testing import CliRunner
from web import Site

from fredfmt import digest, save
from fredfmt.cli.app import app
from fredfmt.data.sources import open_source
from fredfmt.distill import DistillConfig, Evaluation, EvaluationConfig, distill
from fredfmt.storage.containers.package import with_metadata

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FROM_NOTHING = ("README.md", "index.md", "tutorial.md")
NOT_RUN = 10
"""Blocks that may be left out, in all pages together."""

BLOCK = re.compile(r"^(<!-- not run: [^\n]{5,}? -->\n)?( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
TINY = ((re.compile(r"(--(?:iterations|steps|epochs|seeds) |\b(?:iterations|steps|epochs|seeds)=)\d+"), r"\g<1>2"),)


def blocks(page):
    """(language, text, is run) of every fenced block."""
    for marked, indent, language, text in BLOCK.findall(page.read_text()):
        yield language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE), not marked


def tiny(text):
    for pattern, put in TINY:
        text = pattern.sub(put, text)
    return text


@pytest.fixture(scope="module")
def distilled():
    """A distilled file with one recorded result."""
    train = open_source("digits")
    config = DistillConfig(ipc=2, k=32, step=0.5, iterations=2, augmentation="color_crop")
    result = Evaluation(EvaluationConfig(seeds=2), "digits test", 500, (0.5, 0.6)).to_json()
    return with_metadata(distill(train, config), results=(result,))


@pytest.fixture
def published(distilled, tmp_path, monkeypatch):
    """What a page calls the servers and the digest, and what they are here."""
    save(distilled, tmp_path / "published.fred")
    content = (tmp_path / "published.fred").read_bytes()
    site, hub = Site(), Hub()
    site.put("digits.fred", content)
    hub.repositories["OWNER/NAME"] = {"digits.fred": content}
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_stub")
    monkeypatch.setenv("FREDFMT_CACHE", str(tmp_path / "cache"))
    yield {"https://example.org": site.address, "sha256:...": digest(distilled)}
    site.close()
    hub.close()


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page, distilled, published, tmp_path, monkeypatch):
    found = [(language, tiny(text)) for language, text, run in blocks(page) if run and language in ("python", "sh")]
    if not found:
        return
    for name, here in published.items():
        found = [(language, text.replace(name, here)) for language, text in found]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    shutil.copytree(ROOT / "examples", "examples")
    if page.name not in FROM_NOTHING:
        save(distilled, "digits.fred")
    namespace = {"__name__": "page"}
    for language, text in found:
        if language == "python":
            exec(compile(text, page.name, "exec"), namespace)
        else:
            for line in text.replace("\\\n", "").splitlines():
                run_line(line)


def run_line(line):
    """A line of shell: the command in this process, which has torch already, anything else in one of its own."""
    words = shlex.split(line, comments=True)
    if words[:2] == ["fredfmt", "evaluate"] and not {"--steps", "--epochs"} & set(words):
        words += ["--steps", "2"]
    if words[:1] == ["fredfmt"]:
        words = [name for word in words[1:] for name in (sorted(glob.glob(word)) or [word])]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (line, result.output, result.exception)
    elif words:
        subprocess.run(["sh", "-ec", line], check=True, timeout=300)


def test_few_blocks_are_left_out_and_all_are_of_a_known_kind():
    kinds = [(page.name, language, run) for page in PAGES for language, _, run in blocks(page)]
    assert {language for _, language, _ in kinds} <= {"python", "sh", "toml", "text", "mermaid"}
    left_out = [kind for kind in kinds if not kind[2]]
    assert len(left_out) <= NOT_RUN, left_out
    assert len([kind for kind in kinds if kind[2]]) > 3 * len(left_out)


def test_no_fence_escapes_the_pattern():
    for page in PAGES:
        text = page.read_text()
        assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(list(blocks(page))), page


def test_links_lead_to_files():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            assert re.match(r"https?://|mailto:", target) or (page.parent / target).exists(), (page.name, target)
