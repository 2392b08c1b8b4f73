"""The documentation site: every heading is one, links lead to files, and search works where it is opened from disk."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from needed import CHROMIUM

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "spec" / "fred-1.0.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
pytestmark = pytest.mark.needs("mkdocs", "material")


@pytest.fixture(scope="module")
def markdown():
    from markdown import Markdown
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"), hooks=[])
    return Markdown(extensions=config["markdown_extensions"], extension_configs=config["mdx_configs"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_heading_and_block_of_a_page_is_one(page, markdown):
    """Counted in the text and in what the site makes of it: a fence that it does not know swallows what follows."""
    text = page.read_text()
    made = markdown.reset().convert(text)
    fences = re.findall(r"^ *```", text, re.MULTILINE)
    outside = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"<h[1-6]", made)) == len(re.findall(r"^#{1,6} ", outside, re.MULTILINE))
    assert len(re.findall(r'<div class="[^"]*highlight', made)) >= len(fences) // 2
    assert "```" not in made


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src") and value and tag != "base"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it, but that the reference is read from the installed package."""
    target = tmp_path_factory.mktemp("site")
    installed = tmp_path_factory.mktemp("installed")
    for folder, package in (("fredfmt", "fredfmt"), ("distill", "fredfmt/distill"), ("cli", "fredfmt/cli")):
        shutil.copytree(ROOT / folder, installed / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    environment = {"NO_MKDOCS_2_WARNING": "1", "FREDFMT_INSTALLED": str(installed), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_links_of_the_site_lead_to_files(site):
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(pages) > 20
    for page in pages:
        for target in Links(page.read_text()).found:
            parts = urlsplit(target)
            if not parts.scheme and parts.path:
                assert (page.parent / unquote(parts.path)).is_file(), (page, target)


@pytest.mark.slow
@pytest.mark.needs("playwright", "chromium")
def test_the_site_can_be_searched_from_disk(site):
    from playwright.sync_api import sync_playwright

    requests, complaints = [], []
    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.locator("input.md-search__input").click()
        page.keyboard.type("canonical order")
        page.locator(".md-search-result__link").first.click()
        page.wait_for_url(re.compile(r"file:.*\.html"))
        assert page.url.startswith(site.as_uri())
        page.goto((site / "index.html").as_uri())
        page.get_by_role("link", name="Tutorial").first.click()
        assert page.url == (site / "tutorial.html").as_uri()
        assert "first file" in page.locator("h1").text_content()
    assert complaints == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "about", "blob"}
