"""Files at addresses, over a real server that behaves and misbehaves; and what the cache holds afterwards."""

import gzip
import hashlib
import itertools
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace

import numpy as np
import pytest
from small import make
from typer.testing import CliRunner
from web import Site

from fredfmt import (
    ArgumentError,
    FormatError,
    FredError,
    IntegrityError,
    LimitError,
    Limits,
    SourceError,
    digest,
    encode,
    load,
    save,
    validate,
)
from fredfmt.cli.app import app
from fredfmt.storage import addresses
from fredfmt.storage.files import load_metadata
from fredfmt.view.report import report

OTHER = "sha256:" + "0" * 64


def kept(cache, kind="files"):
    return sorted((cache / kind).iterdir()) if (cache / kind).is_dir() else []


@pytest.mark.parametrize("manners", [("ranges",), (), ("ranges", "no-etag")], ids=str)
def test_a_file_at_an_address_is_the_local_file(site, data, content, manners):
    address = site.put("x.fred", content, *manners)
    assert load(address) == data
    assert digest(address) == digest(data)
    assert validate(address).valid
    assert load(address, expected_digest=digest(data)) == data


def test_what_the_server_calls_the_same_is_not_fetched_again(site, data, content, cache):
    address = site.put("x.fred", content, "ranges")
    load(address)
    assert [path.read_bytes() for path in kept(cache)] == [content]
    site.forget()
    assert load(address) == data
    assert (site.requests("GET"), site.requests("HEAD")) == ([], ["x.fred"])
    site.forget()
    assert load(address, expected_digest=digest(data)) == data
    assert site.asked == []


def test_a_server_that_names_no_version_is_asked_for_the_file_every_time(site, data, content):
    address = site.put("x.fred", content, "no-etag")
    for _ in range(2):
        site.forget()
        assert load(address) == data
        assert "x.fred" in site.requests("GET")


def test_a_file_that_was_replaced_is_fetched_again(site, data, content, tmp_path, cache):
    address = site.put("x.fred", content)
    load(address)
    other = encode(np.ones((9, 2, 13, 17), np.float32) * np.arange(9)[:, None, None, None], np.arange(9) % 3, k=11)
    save(other, tmp_path / "other.fred")
    site.put("x.fred", (tmp_path / "other.fred").read_bytes())
    assert load(address) == other
    assert load(address, expected_digest=digest(other)) == other
    with pytest.raises(IntegrityError, match="not the expected dataset") as caught:
        load(address, expected_digest=digest(data))
    assert caught.value.found == digest(other)
    assert len(kept(cache)) == 2
    assert len(kept(cache, "addresses")) == 1


def test_a_damaged_cache_is_noticed_and_mended(site, data, content, cache):
    address = site.put("x.fred", content)
    load(address)
    (path,) = kept(cache)
    path.write_bytes(content[:-9] + b"123456789")
    assert load(address, expected_digest=digest(data)) == data
    assert path.read_bytes() == content
    (record,) = kept(cache, "addresses")
    for nonsense in (b"", b"[]", b"{", b'{"file": "../../x", "digest": 1, "mark": {}}'):
        record.write_bytes(nonsense)
        assert load(address, expected_digest=digest(data)) == data


FAILURES = {
    "cut": (SourceError, "connection was lost"),
    "short": (FormatError, "cut short"),
    "flip": (IntegrityError, "damaged"),
    "silent": (SourceError, "stopped sending"),
    "403": (SourceError, "refuses access.*403"),
    "500": (SourceError, "answered with an error.*500"),
    "missing": (FileNotFoundError, "no such file there"),
    "gone": (SourceError, "cannot be read"),
}


@pytest.mark.parametrize("manner", FAILURES)
def test_a_failure_is_one_clear_error_and_nothing_is_kept(site, data, content, cache, monkeypatch, manner):
    kind, text = FAILURES[manner]
    if manner == "silent":
        monkeypatch.setenv("FREDFMT_TIMEOUT", "1")
    address = site.put("x.fred", content, manner)
    if manner == "missing":
        address = f"{site.address}/nothing.fred"
    if manner == "gone":
        address = "http://127.0.0.1:1/x.fred"
    with pytest.raises(kind, match=text) as caught:
        load(f"{address}?key=secret")
    message = str(caught.value)
    assert isinstance(caught.value, FredError)
    assert message.startswith(address)
    assert "secret" not in message
    assert caught.value.hint
    assert "\n" not in message
    assert kept(cache) == kept(cache, "addresses") == []
    monkeypatch.setenv("FREDFMT_TIMEOUT", "30")
    site.put("x.fred", content, "ranges")
    assert load(f"{site.address}/x.fred") == data


def test_a_failure_leaves_what_was_kept_before(site, data, content, cache):
    address = site.put("x.fred", content)
    load(address)
    before = [(path.name, path.read_bytes()) for kind in ("files", "addresses") for path in kept(cache, kind)]
    site.put("x.fred", content[: len(content) // 2])
    with pytest.raises(FormatError):
        load(address)
    assert before == [(path.name, path.read_bytes()) for kind in ("files", "addresses") for path in kept(cache, kind)]
    assert load(address, expected_digest=digest(data)) == data


def test_every_changed_byte_is_noticed(site, content, cache):
    for at in range(0, len(content), 211):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        address = site.put("x.fred", bytes(changed))
        with pytest.raises(FormatError):
            load(address)
    assert kept(cache) == []


def test_a_slow_server_is_waited_for_while_it_sends(site, data, content):
    assert load(site.put("x.fred", content, "slow")) == data


def test_a_file_in_s3(site, data, content, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    site.put("bucket/x.fred", content, "ranges")
    assert load("s3://bucket/x.fred") == data
    site.forget()
    assert load("s3://bucket/x.fred") == data
    assert site.requests("GET") == []
    with pytest.raises(FileNotFoundError, match=r"s3://bucket/y\.fred"):
        load("s3://bucket/y.fred")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="https:// address"):
        load("s3://bucket/z.fred")


def test_a_redirect_is_followed(site, data, content):
    site.put("there.fred", content, "ranges")
    assert load(site.put("here.fred", b"there.fred", "redirect")) == data


def chunks(content, size=1000):
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_what_servers_wrap_a_body_in_is_taken_off(site, data, content):
    packed = gzip.compress(content)
    headers = {"Content-Encoding": "gzip", "Content-Length": len(packed), "ETag": '"1"'}
    assert load(site.put_answer("gzip.fred", lambda method: (200, headers, packed))) == data
    chunked = {"Transfer-Encoding": "chunked", "ETag": '"1"'}
    assert load(site.put_answer("chunked.fred", lambda method: (200, chunked, chunks(content)))) == data
    with pytest.raises(SourceError, match="connection was lost"):
        load(site.put_answer("cut.fred", lambda method: (200, chunked, chunks(content)[:-1100])))


def test_a_packed_body_stops_at_the_limit(site, cache):
    packed = gzip.compress(bytes(1 << 22))
    headers = {"Content-Encoding": "gzip", "Content-Length": len(packed)}
    with pytest.raises(LimitError, match="file_bytes"):
        load(site.put_answer("x.fred", lambda method: (200, headers, packed)), limits=Limits(file_bytes=1 << 20))
    assert kept(cache) == []


@pytest.mark.parametrize("read", [load, load_metadata])
def test_a_part_that_nobody_asked_for_is_refused(site, content, cache, read):
    part = content[100:1100]
    headers = {"Content-Range": f"bytes 100-1099/{len(content)}", "Content-Length": 1000, "Accept-Ranges": "bytes"}
    with pytest.raises(FormatError):
        read(site.put_answer("x.fred", lambda method: (206, headers, part)))
    assert kept(cache) == []


def test_a_file_replaced_while_it_is_fetched_is_not_taken_for_the_one_before(site, data, content, tmp_path):
    """The server speaks of the old version, is asked for the file and gives the new one, then goes back to the old."""
    other = make(seed=6)
    save(other, tmp_path / "other.fred")
    new = (tmp_path / "other.fred").read_bytes()
    versions = iter([content, new, new])

    def answer(method):
        now = next(versions, content)
        return 200, {"ETag": f'"{hashlib.md5(now).hexdigest()}"', "Content-Length": len(now)}, now

    address = site.put_answer("x.fred", answer)
    assert load(address) == other
    assert load(address) == data


def test_no_secret_of_an_address_is_shown(site, content, cache, tmp_path):
    """Not in errors, wherever the server leads to and however it spells it, nor on stdout, in pages or the cache."""
    target = "/there.fred?X-Amz-Signature=SECRET%2F1"
    forbidden = site.put_answer("there.fred", lambda method: (403, {"Content-Length": 0}, b""))
    leading = site.put_answer("x.fred", lambda method: (302, {"Location": target, "Content-Length": 0}, b""))
    for address in (
        f"{forbidden}?key=SECRET%2F+a",
        leading,
        "ftp://user:SECRET@127.0.0.1:1/x.fred",
        f"simplecache::{forbidden}?key=SECRET",
        "http://user:SECRET@[/x.fred",
    ):
        with pytest.raises(SourceError) as caught:
            load(address)
        assert "SECRET" not in str(caught.value)
    sound = site.put("y.fred", content, "ranges")
    for words in (["inspect"], ["inspect", "--json"], ["inspect", "--metadata"], ["validate"], ["validate", "--json"]):
        result = CliRunner().invoke(app, [words[0], f"{sound}?key=SECRET", *words[1:]])
        assert result.exit_code == 0
        assert sound in result.output
        assert "SECRET" not in result.output
    assert "SECRET" not in report(f"{sound}?key=SECRET")
    assert not [path for kind in ("files", "addresses") for path in kept(cache, kind) if b"SECRET" in path.read_bytes()]


def test_two_processes_fill_the_cache_at_once(site, data, content, cache):
    address = site.put("x.fred", content, "slow")
    code = f"import fredfmt; print(fredfmt.digest({address!r}))"
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [run.communicate(timeout=300)[0].strip() for run in runs] == [digest(data)] * 3
    assert [path.read_bytes() for path in kept(cache)] == [content]
    assert [path.suffix for path in kept(cache, "addresses")] == [".json"]


def test_a_body_without_end_stops_at_the_limit(site, cache):
    address = site.put("x.fred", b"", "endless")
    with pytest.raises(LimitError, match="file_bytes"):
        load(address, limits=Limits(file_bytes=1 << 20))
    assert site.sent < 1 << 26
    assert kept(cache) == []


def test_an_announced_size_over_the_limit_is_not_fetched(site, content):
    with pytest.raises(LimitError, match="file_bytes"):
        load(site.put("x.fred", content), limits=Limits(file_bytes=len(content) - 1))


def test_a_web_page_is_told_for_what_it_is(site):
    with pytest.raises(FormatError, match="This is a web page"):
        load(site.put("x.fred", b"\n<!DOCTYPE html><title>Log in</title>"))


def test_the_cache_can_be_off_and_warns_when_it_cannot_be_written(site, data, content, tmp_path, monkeypatch, caplog):
    address = site.put("x.fred", content)
    monkeypatch.setenv("FREDFMT_CACHE", "none")
    assert load(address) == data
    (tmp_path / "file").touch()
    monkeypatch.setenv("FREDFMT_CACHE", str(tmp_path / "file"))
    assert load(address) == data
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "FREDFMT_CACHE" in caplog.text


@pytest.mark.parametrize("umask", [0, 0o022, 0o277])
def test_the_cache_is_for_the_user_alone(site, data, content, cache, umask):
    before = os.umask(umask)
    try:
        assert load(site.put("x.fred", content)) == data
    finally:
        os.umask(before)
    for folder in (cache, cache / "files", cache / "addresses"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((cache / "key").stat().st_mode) == 0o600
    (cache / "files").chmod(0o777)
    assert load(site.put("x.fred", content)) == data
    assert stat.S_IMODE((cache / "files").stat().st_mode) == 0o700


def planted(cache, content, other_content):
    """Records that make the address of one file stand for another file that is in the cache, its SHA-256 right."""
    found = {path: json.loads(path.read_bytes()) for path in (cache / "addresses").iterdir()}
    of_file = {record["file"]: (path, record) for path, record in found.items()}
    (path, record), (_, others) = (of_file[hashlib.sha256(each).hexdigest()] for each in (content, other_content))
    yield path, {**record, "file": others["file"]}
    yield path, {**others, "mark": record["mark"]}
    yield path, others
    yield path, {name: value for name, value in record.items() if name != "seal"} | {"file": others["file"]}
    yield path, {**record, "file": others["file"], "seal": None}


def test_a_planted_record_never_makes_an_address_stand_for_another_file(site, data, content, cache, tmp_path):
    other = make(seed=6)
    save(other, tmp_path / "other.fred")
    other_content = (tmp_path / "other.fred").read_bytes()
    address, there = site.put("x.fred", content), site.put("y.fred", other_content)
    for expected in (None, digest(data), digest(other)):
        load(address)
        load(there)
        for path, record in list(planted(cache, content, other_content)):
            path.write_text(json.dumps(record))
            if expected == digest(other):
                with pytest.raises(IntegrityError, match="not the expected dataset"):
                    load(address, expected_digest=expected)
            else:
                assert load(address, expected_digest=expected) == data


def test_a_cache_of_another_key_is_not_believed(site, data, content, cache):
    address = site.put("x.fred", content)
    load(address)
    (cache / "key").write_bytes(bytes(32))
    site.forget()
    assert load(address) == data
    assert site.requests("GET") != []


POISON = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "hole": lambda path: (path.touch(), os.truncate(path, 1 << 43)),
    "nested": lambda path: path.write_bytes(b"[" * 100_000),
    "digits": lambda path: path.write_bytes(b"9" * 100_000),
    "other": lambda path: path.write_text('{"file": 1, "digest": [], "mark": 3, "seal": "\u00e9"}'),
    "empty": lambda path: path.touch(),
}


@pytest.mark.parametrize("kind", POISON)
@pytest.mark.parametrize("where", ["key", "files", "addresses"])
def test_what_is_planted_in_place_of_a_file_of_the_cache_is_ignored(site, data, content, cache, kind, where):
    address = site.put("x.fred", content)
    load(address)
    place = cache / where
    path = place if where == "key" else next(place.iterdir())
    path.unlink()
    POISON[kind](path)
    for expected in (None, digest(data)):
        assert load(address, expected_digest=expected) == data


@pytest.mark.parametrize("kind", ["owner", "link"])
def test_a_cache_of_somebody_else_is_neither_read_nor_written(site, data, content, cache, monkeypatch, caplog, kind):
    address = site.put("x.fred", content)
    load(address)
    if kind == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    else:
        (cache / "files").rename(cache / "elsewhere")
        (cache / "files").symlink_to("elsewhere")
    site.forget()
    assert load(address) == data
    assert site.requests("GET") != []
    assert "belongs to another user or is a link" in caplog.text


def dripping(interval, size):
    """A body that comes in pieces of so many bytes, some seconds apart, and never ends."""
    return lambda method: (200, {"Content-Length": 100_000, "ETag": '"1"'}, (interval, size))


def passing(monkeypatch, seconds):
    """A clock on which so many seconds pass each time that a transfer looks at it."""
    now = itertools.count(0, seconds)
    monkeypatch.setattr(addresses, "time", SimpleNamespace(monotonic=lambda: next(now)))


def test_a_server_slower_than_the_least_rate_is_given_up(site, cache, monkeypatch):
    passing(monkeypatch, 6)
    address = site.put_answer("x.fred", dripping(0.01, 1))
    with pytest.raises(SourceError, match=r"too slow; expected 1,000 bytes/s over 30 s, found \d+ bytes/s"):
        load(address)
    assert site.sent < 100_000
    assert kept(cache) == []


def test_a_server_that_does_not_come_to_an_end_is_given_up(site, cache, monkeypatch):
    passing(monkeypatch, 100)
    monkeypatch.setenv("FREDFMT_DEADLINE", "700")
    monkeypatch.setenv("FREDFMT_TIMEOUT", "600")
    address = site.put_answer("x.fred", dripping(0.01, 100))
    with pytest.raises(SourceError, match=r"within 700 s.*FREDFMT_DEADLINE"):
        load(address)
    assert site.sent < 100_000
    assert kept(cache) == []


@pytest.mark.parametrize("manner", ["body", "headers"])
def test_an_answer_that_drips_is_given_up(site, monkeypatch, manner):
    """A single answer, of which aiohttp measures the time."""
    monkeypatch.setenv("FREDFMT_DEADLINE", "0.7")
    address = site.put_answer("x.fred", dripping(0.05, 100)) if manner == "body" else site.put("x.fred", b"", "drip")
    with pytest.raises(SourceError, match=r"within 0\.7 s.*FREDFMT_DEADLINE"):
        load_metadata(address)


def test_a_redirect_to_another_scheme_is_not_followed(site):
    for there in ("https://127.0.0.1:1/x.fred", "ftp://127.0.0.1:1/x.fred", "file:///etc/passwd"):
        answer = 302, {"Location": there, "Content-Length": 0}, b""
        address = site.put_answer("x.fred", lambda method, answer=answer: answer)
        for read in (load, load_metadata):
            with pytest.raises(SourceError, match="redirects to another scheme; expected a redirect to http://"):
                read(address)


def test_no_secret_goes_along_to_another_server(site, data, content):
    other = Site()
    try:
        answer = 302, {"Location": other.put("x.fred", content), "Content-Length": 0}, b""
        address = site.put_answer("x.fred", lambda method: answer).replace("://", "://user:SECRET@")
        assert load(f"{address}?key=SECRET") == data
        assert any("Authorization" in asked for asked in site.headers)
        assert other.headers
        for asked in other.headers:
            assert not {"Authorization", "Cookie", "Referer"} & set(asked)
            assert "SECRET" not in str(asked)
    finally:
        other.close()


@pytest.mark.parametrize("letter", "\x1b\x07\r\n\x85\x9b\u202e\u2066\u2028\x7f")
def test_what_steers_a_terminal_is_escaped_in_errors_and_json(tmp_path, data, letter):
    path = tmp_path / f"a{letter}b.fred"
    for wrong in (path, f"https://127.0.0.1:1/a{letter}b.fred"):
        with pytest.raises(FredError) as caught:
            load(wrong)
        assert letter not in str(caught.value)
        assert "\n" not in str(caught.value)
    save(replace(data, metadata=replace(data.metadata, license=f"a{letter}b")), path)
    for words in (["inspect", str(path), "--json"], ["validate", str(path), "--json"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0
        assert letter == "\n" or letter not in result.stdout
    assert json.loads(result.stdout)[0]["file"] == str(path)


def test_the_default_cache_is_the_users(monkeypatch, tmp_path):
    from fredfmt.storage import cache

    monkeypatch.delenv("FREDFMT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == tmp_path / "fredfmt" / "remote"


@pytest.mark.parametrize("expected", ["", "0" * 64, "sha256:" + "A" * 64, "md5:1"])
def test_an_expected_digest_must_be_one(tmp_path, data, expected):
    save(data, tmp_path / "x.fred")
    for read in (load, validate):
        with pytest.raises(ArgumentError, match="not a digest"):
            read(tmp_path / "x.fred", expected_digest=expected)


def test_local_files_are_held_against_an_expected_digest(tmp_path, data):
    save(data, tmp_path / "x.fred")
    assert load(tmp_path / "x.fred", expected_digest=digest(data)) == data
    with pytest.raises(IntegrityError):
        load(tmp_path / "x.fred", verify=False, expected_digest=OTHER)
    report = validate(tmp_path / "x.fred", expected_digest=OTHER)
    assert [finding.where.rpartition(" ")[2] for finding in report.errors] == ["expected_digest"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of some hundred kB."""
    images = np.random.default_rng(3).standard_normal((600, 2, 17, 13)).astype(np.float32)
    path = tmp_path_factory.mktemp("large") / "large.fred"
    save(encode(images, np.arange(600) % 3, k=200, step=None), path)
    return path


def test_the_metadata_alone_cost_the_beginning(site, large, cache):
    content = large.read_bytes()
    address = site.put("x.fred", content, "ranges")
    assert load_metadata(address) == load(large).metadata
    assert site.sent <= 1 << 16 < len(content) // 4
    assert load_metadata(large) == load(large).metadata
    assert kept(cache) == []


def test_the_metadata_alone_from_a_server_without_ranges(site, large):
    assert load_metadata(site.put("x.fred", large.read_bytes())) == load(large).metadata


def test_long_metadata_take_a_second_request(site, data, tmp_path):
    long = replace(data, metadata=replace(data.metadata, ext={"notes": token_hex(90_000)}))
    save(long, tmp_path / "long.fred")
    address = site.put("x.fred", (tmp_path / "long.fred").read_bytes(), "ranges")
    assert load_metadata(address) == long.metadata


def test_damaged_metadata_are_refused(site, large):
    content = bytearray(large.read_bytes())
    content[200] ^= 1
    with pytest.raises(IntegrityError):
        load_metadata(site.put("x.fred", bytes(content), "ranges"))


def test_other_file_systems_of_fsspec(data, content):
    import fsspec

    with fsspec.open("memory://folder/x.fred", "wb") as stream:
        stream.write(content)
    assert load("memory://folder/x.fred") == data
    with pytest.raises(SourceError, match="a folder"):
        load("memory://folder")
    with pytest.raises(FileNotFoundError):
        load("memory://folder/y.fred")


@pytest.mark.parametrize(
    ("address", "modules", "hint"),
    [
        ("https://127.0.0.1/x.fred", ["fsspec"], r"fsspec\[http\]"),
        ("https://127.0.0.1/x.fred", ["aiohttp", "fsspec.implementations.http"], r"fsspec\[http\]"),
        ("hf://datasets/a/b/x.fred", ["huggingface_hub"], "huggingface_hub"),
        ("s3://bucket/x.fred", ["s3fs"], "s3fs"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, address, modules, hint):
    from fsspec.registry import _registry

    monkeypatch.delitem(_registry, address.split("://")[0], raising=False)
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SourceError, match=rf"pip install '?{hint}"):
        load(address)


def test_an_unknown_kind_of_address():
    with pytest.raises(SourceError, match="unknown kind of address"):
        load("nonsense://x.fred")


def test_a_timeout_must_be_one(monkeypatch):
    monkeypatch.setenv("FREDFMT_TIMEOUT", "soon")
    with pytest.raises(ArgumentError, match="FREDFMT_TIMEOUT"):
        load("http://127.0.0.1:1/x.fred")


def test_importing_fredfmt_imports_no_network():
    code = "import sys, fredfmt; assert not {'fsspec', 'aiohttp', 'huggingface_hub', 'asyncio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
