"""A server, a cache of the test's own, and a small dataset of two channels and odd sizes."""

import pytest
from small import make
from web import Site

from fredfmt import save


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("FREDFMT_CACHE", str(folder))
    monkeypatch.setenv("FREDFMT_TIMEOUT", "30")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def data():
    return make()


@pytest.fixture
def content(data, tmp_path):
    save(data, tmp_path / "made.fred")
    return (tmp_path / "made.fred").read_bytes()
