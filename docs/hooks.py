"""What `mkdocs build` adds to the pages here: the specification, files they link to, the commands' help.

Pages link to files of the repository as they do on a code host, `../spec/fred-1.0.md`. Those files come into the site
when it is built, under their paths in the repository, and the links are made to fit; nothing is kept twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
TOP = {"README.md": "readme.md", "SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages at the top of the repository, and what the site calls them: some would hide ours of the same name."""
ADDED_PAGES = ("spec/fred-1.0.md", *TOP)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
COMMANDS = "<!-- commands -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the specification, and what any page links to outside of docs/."""
    for name in ADDED_PAGES:
        uri = _uri(name)
        files.append(File.generated(config, uri, content=(ROOT / name).read_text()))
    for page in list(files.documentation_pages()):
        for target in LINK.findall(page.content_string):
            name = _in_repository(page.src_uri, target)
            path, uri = ROOT / name, _uri(name)
            if path.is_file() and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links fit the site, and fill in the help of the commands."""
    here = page.file.src_uri

    def fitting(match: re.Match[str]) -> str:
        return f"]({relpath(_uri(_in_repository(here, match[1])), dirname(here) or '.')}"

    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, _commands())
    return LINK.sub(fitting, markdown)


def _uri(name: str) -> str:
    """Where a file of the repository lies in the site."""
    return TOP.get(name, name.removeprefix("docs/"))


def _in_repository(uri: str, target: str) -> str:
    """The path in the repository of what the page at ``uri`` calls ``target``."""
    here = next((name for name, place in TOP.items() if place == uri), None)
    if here is None:
        here = uri if uri.startswith("spec/") else f"docs/{uri}"
    return normpath(join(dirname(here), target))


def _commands() -> str:
    """The help of every command, as a terminal that is as wide as the page shows it."""
    from typer.testing import CliRunner

    from fredfmt.cli.app import app
    from fredfmt.cli.commands import COMMANDS as commands

    environment = {"COLUMNS": "78", "TERMINAL_WIDTH": "78", "NO_COLOR": "1", "TERM": "dumb"}
    parts = []
    for name in commands:
        text = CliRunner().invoke(app, [name, "--help"], env=environment, prog_name="fredfmt").output
        parts.append(f"## fredfmt {name}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)
